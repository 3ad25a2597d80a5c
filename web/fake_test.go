package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/web"
)

// fake is a server with two streams; an event of the first arrives every 20 ms.
type fake struct {
	t *testing.T

	mu        sync.Mutex
	published []string
	resumed   []string // last event ids of reconnecting clients
	ended     chan struct{}
	refuse    bool
	void      string // what a request with an id is answered with, once
	older     string // what a request for older records is answered with: a reason of a gap, or "forbidden"
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/v1/streams/market.ticks":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"stream":"market.ticks","partitions":6,"content":"json","subscribe":true,"publish":false,"replay_ms":600000}`)
	case r.URL.Path == "/v1/streams":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"streams":[{"stream":"market.ticks","partitions":6,"content":"json","publish":false},`+
			`{"stream":"chat.lobby","partitions":1,"content":"json","publish":true},`+
			`{"stream":"flights.positions","partitions":3,"publish":false},{"stream":"iot.telemetry","partitions":6,"publish":true},`+
			`{"stream":"shop.orders","partitions":3,"publish":false},{"stream":"wiki.edits","partitions":3,"publish":false}]}`)
	case r.URL.Path == "/v1/events":
		f.pattern(w, r)
	case strings.HasSuffix(r.URL.Path, "/events"):
		f.events(w, r)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/records"):
		f.page(w, r)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.published = append(f.published, string(body))
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"partition":0,"offset":41,"ts":1}`)
	default:
		web.Handler().ServeHTTP(w, r)
	}
}

// page answers a request for older records of a partition: there are none.
func (f *fake) page(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	older := f.older
	f.mu.Unlock()
	if older == "forbidden" {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"title":"Forbidden","status":403,"detail":"not for you","code":"forbidden","retryable":false,"action":"stop"}`)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	partition, offset := 0, 0
	_, _ = fmt.Sscanf(r.URL.Query().Get("from"), "offset:%d:%d", &partition, &offset)
	_, _ = fmt.Fprintf(w, `{"records":[],"gaps":[{"type":"gap","stream":"market.ticks","partition":%d,"from":%d,"to":%d,"reason":%q}],"cursor":"v1.0","caught_up":true}`,
		partition, offset, offset+50, older)
}

// pattern answers a subscription to a pattern: of one stream, which another then replaces.
func (f *fake) pattern(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, event := range []string{
		"event: sluice.ready\nid: v1.1\ndata: " + `{"type":"ready","streams":["market.ticks"],"cursor":"v1.1"}`,
		"data: " + `{"type":"event","stream":"market.ticks","partition":0,"offset":7,"ts":1000,"key":"a","data":1}`,
		"event: sluice.caught_up\nid: v1.2\ndata: " + `{"type":"caught_up","cursor":"v1.2"}`,
		"event: sluice.streams\nid: v1.3\ndata: " + `{"type":"streams","added":["market.trades"],"removed":["market.ticks"],"omitted":2,"cursor":"v1.3"}`,
		"data: " + `{"type":"event","stream":"market.trades","partition":0,"offset":7,"ts":2000,"key":"b","data":2}`,
		"event: sluice.gap\ndata: " + `{"type":"gap","stream":"market.trades","partition":0,"from":8,"to":9,"reason":"unreadable"}` + "\nid: v1.4",
	} {
		_, _ = io.WriteString(w, event+"\n\n")
	}
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func (f *fake) events(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	last := r.Header.Get("Last-Event-ID")
	if last == "" && strings.HasPrefix(r.URL.Query().Get("from"), "v1.") {
		last = strings.Split(r.URL.Query().Get("from"), "~")[0]
	}
	f.resumed = append(f.resumed, last)
	ended, refuse, void := f.ended, f.refuse, f.void
	if last != "" {
		f.void = ""
	} else {
		void = ""
	}
	f.mu.Unlock()
	if refuse {
		// A proxy's response while there is no server behind it.
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if void != "" {
		_, _ = fmt.Fprintf(w, "event: sluice.close\nid\ndata: %s\n\n", void)
		return
	}
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, format+"\n\n", args...)
		w.(http.Flusher).Flush()
	}
	offset, _ := strconv.Atoi(strings.TrimPrefix(last, "v1."))
	if last == "" {
		offset = 1000
	}
	say("retry: 100\nevent: sluice.ready\nid: v1.%d\ndata: {\"type\":\"ready\"}", offset)
	stream := strings.Split(r.URL.Path, "/")[3]
	if stream == "chat.lobby" {
		say("event: sluice.caught_up\nid: v1.0\ndata: {\"type\":\"caught_up\"}")
		<-ended
		return
	}
	if last == "" {
		say("event: sluice.gap\nid: v1.1\ndata: " + `{"type":"gap","stream":"market.ticks","partition":1,"from":0,"to":12,"reason":"retention"}`)
	}
	symbols := []string{"NORD", "ALPN", "BRCK", "HAFN", "LUMO", "QUEL"}
	for i := 0; ; i++ {
		offset++
		p := offset * 7 % 6
		say(`data: {"type":"event","stream":%q,"partition":%d,"offset":%d,"ts":%d,"key":%q,"headers":[["source","demo"]],"data":{"symbol":%q,"price":%d.%02d,"seq":90071992547409931,"bid":[100,101.5],"halted":false,"note":"<img src=x onerror=alert(1)>"}}`+"\nid: v1.%d",
			stream, p, offset, time.Now().UnixMilli(), symbols[p], symbols[p], 90+offset%20, offset%100, offset)
		if i == 30 {
			say("event: sluice.caught_up\nid: v1.%d\ndata: {\"type\":\"caught_up\"}", offset)
		}
		select {
		case <-ended:
			return
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// start serves on an address; stop ends the server and all its streams.
func (f *fake) start(address string) (string, func()) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	f.ended = make(chan struct{})
	ended := f.ended
	f.mu.Unlock()
	server := &http.Server{Handler: f}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return l.Addr().String(), sync.OnceFunc(func() {
		close(ended)
		_ = server.Close()
		<-done
	})
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.resumed...)
}
