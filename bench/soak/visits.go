package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/bench/clients"
)

// crowd is clients that come and go.
type crowd struct {
	stage *stage
	round int

	visits, bytes atomic.Int64
	written       atomic.Int64 // records, which number those that come next

	mu    sync.Mutex
	names map[string]*use // of cursors
	kinds map[string]int  // visits by kind
	odd   []string        // what a client was told that it should not have been
}

// use is when a name was last asked for, and last known to be stored, and when all
// was at rest after that; deleted is set once somebody may have deleted it.
type use struct {
	asked, stored, rested time.Time
	deleted               bool
}

// visit is one client, from when it comes until it goes. What it meets when
// the context ends, or when it breaks off by itself, is no error.
type visit func(c *crowd, ctx context.Context, r *rand.Rand) error

// visitKinds are what clients do, each as often as it stands here.
var visitKinds = []struct {
	name string
	do   visit
}{
	{"events", (*crowd).readEvents},
	{"events", (*crowd).readEvents},
	{"events", (*crowd).readEvents},
	{"socket", (*crowd).readSocket},
	{"socket", (*crowd).readSocket},
	{"socket", (*crowd).readSocket},
	{"session", (*crowd).converse},
	{"session", (*crowd).converse},
	{"page", (*crowd).readPages},
	{"page", (*crowd).readPages},
	{"name", (*crowd).keepName},
	{"held name", (*crowd).holdName},
	{"publish", (*crowd).publish},
	{"publish", (*crowd).publish},
	{"refused", (*crowd).beRefused},
}

// errBusy is for a client that is told to come back later: on a busy machine
// Kafka can be too late for some, and nothing here judges how fast it is.
var errBusy = errors.New("the instance is busy")

// come has clients come and go until the context ends, so many at once.
func (c *crowd) come(ctx context.Context, clients int, seed uint64) {
	var all sync.WaitGroup
	for slot := range clients {
		r := rand.New(rand.NewPCG(seed, uint64(c.round)<<32|uint64(slot)))
		all.Go(func() {
			for ctx.Err() == nil {
				kind := visitKinds[r.IntN(len(visitKinds))]
				err := kind.do(c, ctx, r)
				c.visits.Add(1)
				c.mu.Lock()
				c.kinds[kind.name]++
				if errors.Is(err, errBusy) {
					c.kinds["told to come back"]++
					err = nil
				}
				if err != nil && ctx.Err() == nil && len(c.odd) < 20 {
					c.odd = append(c.odd, fmt.Sprintf("%s: %v", kind.name, err))
				}
				c.mu.Unlock()
			}
		})
	}
	// Some is written meanwhile, so that those who are live have something.
	for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			tick.Stop()
		case <-tick.C:
			n := int(c.written.Add(1))
			for i := range 5 {
				c.stage.producer.Produce(ctx, numbered(n%streams, n*5+i, 200), nil)
			}
		}
	}
	all.Wait()
}

// subject is who a client is. Tokens are as many as visits.
func subject(r *rand.Rand) string { return fmt.Sprint("user-", r.IntN(2000)) }

// reading is what a client asks to read.
func reading(r *rand.Rand) url.Values {
	query := url.Values{}
	from := []string{"earliest", "latest", "earliest", "last:100", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}
	query.Set("from", from[r.IntN(len(from))])
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(12) {
			query.Add("key", key(r.IntN(keys)))
		}
	}
	return query
}

// stay is how long a client reads.
func stay(r *rand.Rand) time.Duration { return time.Duration(20+r.IntN(900)) * time.Millisecond }

// request opens a connection, sends a request, and reads what comes for a
// while. Some do not read for most of it. Half of them end with a reset.
func (c *crowd) request(ctx context.Context, r *rand.Rand, want string, method, path string, header ...string) error {
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, "tcp", c.stage.addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok && r.IntN(2) == 0 {
		_ = tcp.SetLinger(0)
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: soak\r\n", method, path)
	for _, line := range header {
		text += line + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		return err
	}
	if r.IntN(20) == 0 {
		return nil // before it is answered
	}
	span := stay(r)
	if r.IntN(10) == 0 {
		sleep(ctx, span)
	}
	buf := make([]byte, 32<<10)
	// The answer takes as long as it takes; behind it the client stays a while.
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	for first := true; ; first = false {
		n, err := conn.Read(buf)
		c.bytes.Add(int64(n))
		if first && err == nil {
			if bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 503")) {
				return errBusy
			}
			if !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 "+want)) {
				return fmt.Errorf("%s %s is answered with %.200q", method, path, buf[:n])
			}
			_ = conn.SetReadDeadline(time.Now().Add(span))
		}
		if err != nil {
			return nil //nolint:nilerr // it has gone, or was to go
		}
	}
}

func bearer(who string) string { return "Authorization: Bearer " + token(who, time.Hour) }

// readEvents reads an event stream, of one stream or several, compressed or not.
func (c *crowd) readEvents(ctx context.Context, r *rand.Rand) error {
	query, path := reading(r), fmt.Sprintf("/v1/streams/%s/events?", stream(r.IntN(streams)))
	if r.IntN(4) == 0 {
		path = "/v1/events?"
		for _, n := range r.Perm(streams)[:2] {
			query.Add("stream", stream(n))
		}
	}
	header := []string{bearer(subject(r))}
	if r.IntN(3) > 0 {
		header = append(header, "Accept-Encoding: gzip")
	}
	if r.IntN(4) == 0 {
		header = append(header, "Accept: application/x-ndjson")
	}
	return c.request(ctx, r, "200", http.MethodGet, path+query.Encode(), header...)
}

// handshake are the headers of a WebSocket's.
var handshake = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// readSocket reads a WebSocket that answers nothing, compressed or not.
func (c *crowd) readSocket(ctx context.Context, r *rand.Rand) error {
	query := reading(r)
	query.Set("stream", stream(r.IntN(streams)))
	header := append([]string{bearer(subject(r))}, handshake...)
	if r.IntN(3) > 0 {
		header = append(header, "Sec-WebSocket-Extensions: permessage-deflate"+[]string{"", "; server_no_context_takeover"}[r.IntN(2)])
	}
	return c.request(ctx, r, "101", http.MethodGet, "/v1/ws?"+query.Encode(), header...)
}

// converse has a session subscribe, publish and unsubscribe.
func (c *crowd) converse(ctx context.Context, r *rand.Rand) error {
	return c.session(ctx, subject(r), r, func(ctx context.Context, s *clients.Session) error {
		n := 1 + r.IntN(3)
		for i, of := range r.Perm(streams)[:n] {
			subscribe := map[string]any{"type": "subscribe", "id": fmt.Sprint(i), "stream": stream(of)}
			for name, values := range reading(r) {
				if subscribe[name] = values[0]; name == "key" {
					subscribe[name] = values
				}
			}
			if err := s.Send(ctx, subscribe); err != nil {
				return err
			}
		}
		if err := s.Send(ctx, map[string]any{
			"type": "publish", "id": "p", "stream": stream(r.IntN(streams)), "key": key(r.IntN(keys)), "data": r.IntN(1000),
		}); err != nil {
			return err
		}
		return c.hear(ctx, s, stay(r), func(m *clients.Message) (bool, error) {
			if m.Kind == "subscribed" && r.IntN(2) == 0 {
				return false, s.Send(ctx, map[string]any{"type": "unsubscribe", "id": m.ID})
			}
			return false, nil
		})
	})
}

// session opens one, and has do with it.
func (c *crowd) session(ctx context.Context, who string, r *rand.Rand, do func(context.Context, *clients.Session) error) error {
	s, err := clients.OpenSession(ctx, clients.SessionRequest{
		Addr: c.stage.addr, Token: token(who, time.Hour), InMessage: r.IntN(2) == 0,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	return do(ctx, s)
}

// hear lets handle have messages for a while, or until it says that it has had
// enough. A fault that the client is told is an error.
func (c *crowd) hear(ctx context.Context, s *clients.Session, span time.Duration, handle func(*clients.Message) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	for {
		text, err := s.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // it has had its time
		}
		c.bytes.Add(int64(len(text)))
		m, ok := clients.Parse(text)
		if ok && bytes.Contains(text, []byte(`"code":"overloaded"`)) {
			return errBusy
		}
		if !ok || m.Kind == "error" || m.Kind == "closing" {
			return fmt.Errorf("it was told %.300s", text)
		}
		if enough, err := handle(&m); err != nil || enough {
			return err
		}
	}
}

// do makes a request, of which the answer is read whole.
func (c *crowd) do(ctx context.Context, who, method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.stage.addr+path, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token(who, time.Hour))
	request.Header.Set("Content-Type", "application/json")
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := web.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	c.bytes.Add(int64(len(answer)))
	return response.StatusCode, answer, err
}

// expect is do where one status is right.
func (c *crowd) expect(ctx context.Context, want int, who, method, path string, body any) ([]byte, error) {
	status, answer, err := c.do(ctx, who, method, path, body)
	if err == nil && status == http.StatusServiceUnavailable {
		return answer, errBusy
	}
	if err == nil && status != want {
		err = fmt.Errorf("%s %s is answered with %d: %.300s", method, path, status, answer)
	}
	return answer, err
}

// readPages reads some pages, the last of which it waits for.
func (c *crowd) readPages(ctx context.Context, r *rand.Rand) error {
	who, of := subject(r), stream(r.IntN(streams))
	query := reading(r)
	for range 1 + r.IntN(4) {
		query.Set("limit", fmt.Sprint(1+r.IntN(500)))
		query.Set("wait", fmt.Sprint(1+r.IntN(300), "ms"))
		answer, err := c.expect(ctx, http.StatusOK, who, http.MethodGet, fmt.Sprintf("/v1/streams/%s/records?%s", of, query.Encode()), nil)
		if err != nil {
			return err
		}
		var page struct {
			Cursor string `json:"cursor"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return err
		}
		query.Set("from", page.Cursor)
	}
	return nil
}

// namesEach is how many names a round has; the next round has others.
const namesEach = 60

// name draws a name, which is one principal's and one stream's.
func (c *crowd) name(r *rand.Rand) (name, who, of string) {
	n := c.round*namesEach + r.IntN(namesEach)
	name, who, of = fmt.Sprint("name-", n), fmt.Sprint("holder-", n), stream(n%streams)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] == nil {
		c.names[name] = &use{}
	}
	return name, who, of
}

// used notes that a name has been asked for, and that it is stored now.
func (c *crowd) used(name string, stored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	u := c.names[name]
	u.asked = now
	if stored {
		u.stored = now
	}
}

// keepName has a name moved over HTTP, and some of them deleted.
func (c *crowd) keepName(ctx context.Context, r *rand.Rand) error {
	name, who, of := c.name(r)
	defer c.used(name, false)
	answer, err := c.expect(ctx, http.StatusOK, who, http.MethodGet, fmt.Sprintf("/v1/streams/%s/records?from=last:5&limit=3", of), nil)
	if err != nil {
		return err
	}
	var page struct {
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return err
	}
	path := fmt.Sprintf("/v1/cursors/%s/%s", of, name)
	if _, err := c.expect(ctx, http.StatusOK, who, http.MethodPut, path, map[string]string{"cursor": page.Cursor}); err != nil {
		return err
	}
	c.used(name, true)
	if r.IntN(4) == 0 {
		c.mu.Lock()
		c.names[name].deleted = true
		c.mu.Unlock()
		if status, answer, err := c.do(ctx, who, http.MethodDelete, path, nil); err != nil || status/100 != 2 {
			return fmt.Errorf("DELETE %s is answered with %d: %.300s (%w)", path, status, answer, err)
		}
	}
	return nil
}

// holdName has a session hold a name and ack what it gets, if nobody takes the
// name from it.
func (c *crowd) holdName(ctx context.Context, r *rand.Rand) error {
	name, who, of := c.name(r)
	defer c.used(name, false)
	return c.session(ctx, who, r, func(ctx context.Context, s *clients.Session) error {
		subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": of, "from": "last:50", "cursor_name": name}
		if r.IntN(3) == 0 {
			subscribe["ack"] = "auto"
		}
		if err := s.Send(ctx, subscribe); err != nil {
			return err
		}
		err := c.hear(ctx, s, stay(r), func(m *clients.Message) (bool, error) {
			switch m.Kind {
			case "subscribed":
				c.used(name, true)
			case "unsubscribed":
				return true, nil // another one holds it now
			case "cursor", "caught_up":
				return false, s.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": strings.Clone(m.Cursor)})
			}
			return false, nil
		})
		if err != nil && strings.Contains(err.Error(), `"superseded"`) {
			return nil // another one holds it now
		}
		return err
	})
}

// publish stores some records over HTTP.
func (c *crowd) publish(ctx context.Context, r *rand.Rand) error {
	var records []map[string]any
	for range 1 + r.IntN(5) {
		records = append(records, map[string]any{"key": key(r.IntN(keys)), "data": strings.Repeat("x", r.IntN(2000))})
	}
	// Where the machine is slow Kafka can be too late for some.
	status, answer, err := c.do(ctx, subject(r), http.MethodPost, fmt.Sprintf("/v1/streams/%s/records", stream(r.IntN(streams))),
		map[string]any{"records": records})
	if err == nil && status/100 != 2 && status != http.StatusServiceUnavailable {
		err = fmt.Errorf("a publish is answered with %d: %.300s", status, answer)
	}
	return err
}

// beRefused comes without a right, with what is no token, for what there is
// not, or with half a request.
func (c *crowd) beRefused(ctx context.Context, r *rand.Rand) error {
	events := "/v1/streams/" + stream(0) + "/events"
	switch r.IntN(6) {
	case 0:
		return c.request(ctx, r, "401", http.MethodGet, events, "Authorization: Bearer "+token(subject(r), -time.Hour))
	case 1:
		return c.request(ctx, r, "401", http.MethodGet, "/v1/ws", append([]string{"Authorization: Bearer none"}, handshake...)...)
	case 2:
		return c.request(ctx, r, "404", http.MethodGet, "/v1/streams/soak.none/events", bearer(subject(r)))
	case 3:
		return c.request(ctx, r, "200", http.MethodHead, events, bearer(subject(r)))
	case 4:
		return c.request(ctx, r, "400", http.MethodGet, events+"?from=nowhere", bearer(subject(r)))
	}
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, "tcp", c.stage.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET "+events+" HTTP/1.1\r\nHo")
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
