package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/tidwall/gjson"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// fake implements as much of the protocol as a subscriber needs, from an in-memory
// log, and can be made to break its promises: it shows that the tools of these tests
// report no fault if there is none, and find real faults.
type fake struct {
	log *check.Log
	// events are the records of the log, in the order of delivery.
	events []fakeEvent
	// deliver returns how often an event is delivered on a connection.
	deliver func(fakeEvent) int
	// cursor may falsify the position of a cursor.
	cursor func(check.Position) check.Position

	mu    sync.Mutex
	named map[string]string
}

type fakeEvent struct {
	partition int32
	offset    int64
	key       string
}

func newFake(partitions, records int) *fake {
	f := &fake{log: check.NewLog(partitions), named: make(map[string]string)}
	f.deliver = func(fakeEvent) int { return 1 }
	f.cursor = func(p check.Position) check.Position { return p }
	for n := range records + partitions {
		event := fakeEvent{int32(n % partitions), int64(n/partitions) * 2, fmt.Sprint("key", n)}
		if n >= records {
			event.key = clients.EndKey
		}
		f.events = append(f.events, event)
		_ = f.log.Add(event.partition, check.Entry{Offset: event.offset, Sum: check.Sum([]byte(event.key), []byte(event.value()))})
	}
	return f
}

func (e fakeEvent) value() string { return fmt.Sprintf(`{"of":%q}`, e.key) }

func (e fakeEvent) text() string {
	return fmt.Sprintf(`{"type":"event","stream":"fake","partition":%d,"offset":%d,"ts":null,"key":%q,"data":%s}`, e.partition, e.offset, e.key, e.value())
}

// from parses the position from which a subscriber resumes.
func (f *fake) from(text string) check.Position {
	at := make(check.Position, len(f.log.Visible))
	cursor, seen, _ := strings.Cut(text, "~")
	if offsets, ok := strings.CutPrefix(cursor, "v1."); ok {
		for p, offset := range strings.Split(offsets, "_") {
			at[p], _ = strconv.ParseInt(offset, 10, 64)
		}
	}
	for place := range strings.SplitSeq(seen, ",") {
		if p, next, ok := strings.Cut(place, ":"); ok {
			partition, _ := strconv.Atoi(p)
			at[partition], _ = strconv.ParseInt(next, 10, 64)
		}
	}
	return at
}

func (f *fake) text(at check.Position) string {
	var offsets []string
	for _, offset := range f.cursor(at.Clone()) {
		offsets = append(offsets, fmt.Sprint(offset))
	}
	return "v1." + strings.Join(offsets, "_")
}

// run delivers from a position on: events, and a cursor after every fifth.
func (f *fake) run(ctx context.Context, from check.Position, event func(text string, cursor string) error) error {
	at := from.Clone()
	for n, e := range f.events {
		if e.offset < at[e.partition] {
			continue
		}
		at[e.partition] = e.offset + 1
		for range f.deliver(e) {
			cursor := ""
			if n%5 == 4 {
				cursor = f.text(at)
			}
			if err := event(e.text(), cursor); err != nil {
				return err
			}
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// page returns up to a hundred records, each once, or as often as deliver says.
func (f *fake) page(w http.ResponseWriter, at check.Position) {
	var records []string
	for _, e := range f.events {
		if e.offset < at[e.partition] || len(records) > 100 {
			continue
		}
		at[e.partition] = e.offset + 1
		for range f.deliver(e) {
			records = append(records, e.text())
		}
	}
	fmt.Fprintf(w, `{"records":[%s],"gaps":[],"cursor":%q,"caught_up":false}`, strings.Join(records, ","), f.text(at))
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/records"):
		f.page(w, f.from(r.URL.Query().Get("from")))
		return
	case r.Header.Get("Accept") == "application/x-ndjson":
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprintln(w, `{"type":"ready"}`)
		_ = f.run(r.Context(), f.from(r.URL.Query().Get("from")), func(text, cursor string) error {
			if cursor != "" {
				text += fmt.Sprintf("\n{\"type\":\"cursor\",\"cursor\":%q}", cursor)
			}
			if _, err := fmt.Fprintln(w, text); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
		return
	case strings.HasSuffix(r.URL.Path, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 5\nevent: sluice.ready\ndata: {\"type\":\"ready\"}\n\n")
		_ = f.run(r.Context(), f.from(r.Header.Get("Last-Event-ID")), func(text, cursor string) error {
			if cursor != "" {
				cursor = "id: " + cursor + "\n"
			}
			if _, err := fmt.Fprintf(w, "data: %s\n%s\n", text, cursor); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	send := func(message any) error {
		text, err := json.Marshal(message)
		if err != nil {
			return err
		}
		return conn.Write(ctx, websocket.MessageText, text)
	}
	var name string
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return
		}
		request := gjson.ParseBytes(text)
		switch request.Get("type").Str {
		case "subscribe":
			name = request.Get("cursor_name").Str
			from := request.Get("from").Str
			f.mu.Lock()
			if stored := f.named[name]; name != "" && stored != "" {
				from = stored
			}
			f.mu.Unlock()
			at := f.from(from)
			_ = send(map[string]any{"type": "subscribed", "id": "a", "stream": "fake", "feed": "fake", "cursor": f.text(at)})
			running.Go(func() {
				_ = f.run(ctx, at, func(text, cursor string) error {
					err := conn.Write(ctx, websocket.MessageText, []byte(text))
					if err == nil && cursor != "" {
						err = send(map[string]any{"type": "cursor", "feed": "fake", "cursor": cursor})
					}
					return err
				})
			})
		case "ack":
			f.mu.Lock()
			f.named[name] = request.Get("cursor").Str
			f.mu.Unlock()
			_ = send(map[string]any{"type": "acked", "id": "a", "cursor": request.Get("cursor").Str})
		}
	}
}

// TestSubscribersSeeFaults runs subscribers of each kind against fakes that keep
// their promises, and against some that do not.
func TestSubscribersSeeFaults(t *testing.T) {
	t.Parallel()
	const partitions, records = 3, 2_000
	for name, c := range map[string]struct {
		breaks func(*fake)
		want   check.Fault
	}{
		"honest": {func(*fake) {}, ""},
		"drops one": {func(f *fake) {
			f.deliver = func(e fakeEvent) int {
				if e.key == "key777" {
					return 0
				}
				return 1
			}
		}, check.Lost},
		// Twenty of them: a connection may be cut between a record and its
		// repetition.
		"repeats": {func(f *fake) {
			f.deliver = func(e fakeEvent) int {
				if strings.HasSuffix(e.key, "77") {
					return 2
				}
				return 1
			}
		}, check.OutOfOrder},
		"cursors lead": {func(f *fake) {
			end := int64(0) // of the records; a client that was sent past it would wait forever
			for _, e := range f.events {
				if e.partition == 1 {
					end = max(end, e.offset)
				}
			}
			f.cursor = func(p check.Position) check.Position { p[1] = max(p[1], min(p[1]+2, end)); return p }
		}, check.CursorAhead},
		"cursors lag": {func(f *fake) {
			f.cursor = func(p check.Position) check.Position { p[1] = max(0, p[1]-4); return p }
		}, check.Duplicate},
	} {
		for _, over := range []clients.Transport{clients.OverSSE, clients.OverWS, clients.OverLines, clients.OverPages} {
			for _, by := range []clients.Resume{clients.ByCursor, clients.BySeen, clients.ByName} {
				switch {
				case over != clients.OverWS && by == clients.ByName:
					continue // the fake moves names over WebSocket only
				case by == clients.BySeen && (c.want == check.Duplicate || c.want == check.CursorAhead):
					continue // the offsets seen take precedence over the cursor
				case by == clients.ByName && c.want == check.Duplicate:
					continue // acks are answered late, so any position is allowed
				}
				t.Run(fmt.Sprintf("%s/%s/%s", name, over, by), func(t *testing.T) {
					t.Parallel()
					f := newFake(partitions, records)
					c.breaks(f)
					web := httptest.NewServer(f)
					defer web.Close()
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
					defer cancel()
					s := clients.NewSubscriber(name, over, by, "fake", partitions)
					s.Addrs = []string{web.Listener.Addr().String()}
					s.CutEvery = 8_000
					if err := s.Run(ctx); err != nil {
						t.Fatal(err)
					}
					report := check.Subscribers(f.log, []*check.Journal{&s.Journal})
					if c.want == "" && (report.Err() != nil || len(s.Remarks) > 0) {
						t.Errorf("faults are seen where there are none: %v %q", report.Err(), s.Remarks)
					}
					if c.want != "" && report.Faults[c.want] == 0 {
						t.Errorf("%q is not seen among %v", c.want, report.Faults)
					}
				})
			}
		}
	}
}
