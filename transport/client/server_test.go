package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

// server is a small server that implements the protocol, with an in-memory log.
type server struct {
	t *testing.T
	// end is called before each message to a client, and may end the connection,
	// which it reports.
	end func(c *websocket.Conn, sent int) (ended bool)
	// cursorEvery is the number of records after which a cursor is sent; 0 is
	// never.
	cursorEvery int
	// expires is the token's expiry in the welcome message, in milliseconds.
	expires int64
	// refuse may answer a handshake itself, if it is set.
	refuse func(w http.ResponseWriter, attempt int) bool
	// intercept sees a subscription first, and may take it over.
	intercept func(c *websocket.Conn, attempt int, request map[string]any) (taken bool)

	mu       sync.Mutex
	log      [][]string // values by partition
	more     chan struct{}
	named    map[int32]int64
	attempts int
	tokens   []string
}

func newServer(t *testing.T, partitions, each int) *server {
	s := &server{t: t, cursorEvery: 7, more: make(chan struct{}), log: make([][]string, partitions)}
	for range each {
		s.write()
	}
	return s
}

// write adds a record to each partition.
func (s *server) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.log {
		s.log[p] = append(s.log[p], fmt.Sprintf(`{"p":%d,"n":%d}`, p, len(s.log[p])))
	}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.attempts++
	attempt := s.attempts
	s.tokens = append(s.tokens, r.Header.Get("Authorization"))
	s.mu.Unlock()
	if r.URL.Path != "/base/v1/ws" {
		http.NotFound(w, r)
		return
	}
	if s.refuse != nil && s.refuse(w, attempt) {
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}})
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = c.CloseNow() }()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var request map[string]any
	if !receive(ctx, c, &request) {
		return
	}
	if request["type"] != "subscribe" {
		s.t.Errorf("first message is %v", request)
		return
	}
	say(c, `{"type":"welcome","session":"s_%d","ping_ms":1000,"expires_in_ms":%d}`, attempt, s.expires)
	if s.intercept != nil && s.intercept(c, attempt, request) {
		return
	}
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	others.Go(func() {
		defer cancel()
		s.listen(ctx, c)
	})
	s.deliver(ctx, c, request)
}

// listen receives acks and tokens.
func (s *server) listen(ctx context.Context, c *websocket.Conn) {
	for {
		var m struct{ Type, ID, Cursor, Token string }
		if !receive(ctx, c, &m) {
			return
		}
		switch m.Type {
		case "ack":
			s.mu.Lock()
			s.named = parseCursor(s.t, m.Cursor)
			s.mu.Unlock()
			say(c, `{"type":"acked","id":"0","cursor":%q}`, m.Cursor)
		case "auth":
			s.mu.Lock()
			s.tokens = append(s.tokens, m.Token)
			s.mu.Unlock()
			say(c, `{"type":"authenticated","id":%q,"expires_in_ms":%d}`, m.ID, s.expires)
		}
	}
}

func (s *server) deliver(ctx context.Context, c *websocket.Conn, request map[string]any) {
	next := s.start(request)
	say(c, `{"type":"subscribed","id":"0","stream":"s","feed":"s","start":"cursor","recovered":true,"cursor":%q}`, cursorText(next))
	caughtUp := false
	for sent := 0; ctx.Err() == nil; {
		partition, value, more := s.pick(next)
		if partition < 0 {
			if !caughtUp {
				caughtUp = true
				say(c, `{"type":"caught_up","id":"0","cursor":%q}`, cursorText(next))
			}
			select {
			case <-ctx.Done():
			case <-more:
			}
			continue
		}
		if s.end != nil && s.end(c, sent) {
			return
		}
		say(c, `{"type":"event","stream":"s","partition":%d,"offset":%d,"ts":5,"key":"k","headers":[["h","v"],["n",null],["b","AAE=","base64"]],"data":%s}`,
			partition, next[partition], value)
		next[partition]++
		if sent++; s.cursorEvery > 0 && sent%s.cursorEvery == 0 {
			say(c, `{"type":"cursor","feed":"s","cursor":%q}`, cursorText(next))
		}
	}
}

// start returns where a subscription begins: a named cursor takes precedence over
// from.
func (s *server) start(request map[string]any) map[int32]int64 {
	from, _ := request["from"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	if request["cursor_name"] != nil && request["reset"] == nil && s.named != nil {
		next := map[int32]int64{}
		for p, o := range s.named {
			next[p] = o
		}
		return next
	}
	if strings.HasPrefix(from, "v1.") {
		return parseCursor(s.t, from)
	}
	next := map[int32]int64{}
	if from != client.Earliest {
		for p := range s.log {
			next[int32(p)] = int64(len(s.log[p]))
		}
	}
	return next
}

// pick returns the next record of any partition, -1 for none.
func (s *server) pick(next map[int32]int64) (partition int32, value string, more chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range rand.Perm(len(s.log)) {
		if at := next[int32(p)]; at < int64(len(s.log[p])) {
			return int32(p), s.log[p][at], nil
		}
	}
	return -1, "", s.more
}

func cursorText(next map[int32]int64) string {
	b, err := json.Marshal(next)
	if err != nil {
		panic(err)
	}
	return "v1." + base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(t *testing.T, text string) map[int32]int64 {
	base, seen, _ := strings.Cut(text, "~")
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(base, "v1."))
	next := map[int32]int64{}
	if err == nil {
		err = json.Unmarshal(b, &next)
	}
	if err != nil {
		t.Errorf("cursor %q: %v", text, err)
	}
	for part := range strings.SplitSeq(seen, ",") {
		p, o, ok := strings.Cut(part, ":")
		if !ok {
			continue
		}
		partition, err1 := strconv.ParseInt(p, 10, 32)
		offset, err2 := strconv.ParseInt(o, 10, 64)
		if err1 != nil || err2 != nil || offset < next[int32(partition)] {
			t.Errorf("cursor %q: part %q is malformed or goes backwards", text, part)
		}
		next[int32(partition)] = offset
	}
	return next
}

// say writes a message; a failure because the client has gone shows elsewhere.
func say(c *websocket.Conn, format string, args ...any) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...))
}

func receive(ctx context.Context, c *websocket.Conn, into any) bool {
	_, b, err := c.Read(ctx)
	return err == nil && json.Unmarshal(b, into) == nil
}
