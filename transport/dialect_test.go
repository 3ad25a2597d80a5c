package transport_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/transport"
)

// tabClient is a client of the dialect tabs.
type tabClient struct {
	t *testing.T
	*websocket.Conn
}

func (in *instance) dialTabs(t *testing.T, token string) tabClient {
	t.Helper()
	s, answer, err := in.dialWith("", "Authorization", "Bearer "+token, "Sec-WebSocket-Protocol", "sluice.v1.json, tabs")
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.header.Get("Sec-WebSocket-Protocol"); got != "tabs" {
		t.Fatalf("the subprotocol is %q", got)
	}
	return tabClient{t, s.Conn}
}

// next returns the fields of the next message, skipping cursors, which come at any
// time.
func (c tabClient) next() []string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if fields := strings.Split(string(text), "\t"); fields[0] != "cursor" {
			return fields
		}
	}
}

// wants returns the fields of the next message, which must begin with those in
// fields that are not "*".
func (c tabClient) wants(fields ...string) []string {
	c.t.Helper()
	got := c.next()
	for i, want := range fields {
		if i >= len(got) || want != "*" && got[i] != want {
			c.t.Fatalf("got %q, want %q", got, fields)
		}
	}
	return got
}

func (c tabClient) says(fields ...string) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), websocket.MessageText, []byte(strings.Join(fields, "\t"))); err != nil {
		c.t.Fatal(err)
	}
}

// TestAnotherDialect runs sessions in a dialect that the server does not include:
// requests, answers, events, faults and ends use the same code.
func TestAnotherDialect(t *testing.T) {
	t.Parallel()
	in := start(t, options{server: (*transport.Server).SpeakTabs, config: compressing})
	in.publish("orders", 0, 0, 4)
	c := in.dialTabs(t, token(t, "u42", "live", time.Hour))
	c.wants("welcome", "*")
	c.says("subscribe", "a", "orders")
	c.wants("subscribed", "a")
	for _, offset := range []string{"0", "1", "2", "3"} {
		c.wants("event", "orders", "0", offset, `{"p":0,"n":`+offset+`}`)
	}
	cursor := c.wants("caught up", "a", "*")[2]

	// Another subscription beside it, with a filter.
	c.says("subscribe", "b", "orders", "k1")
	c.wants("subscribed", "b")
	if feed := c.wants("event", "*", "0", "1")[1]; !strings.HasPrefix(feed, "orders#") {
		t.Errorf("the feed is %q", feed)
	}
	c.wants("caught up", "b")
	c.says("unsubscribe", "b")
	c.wants("unsubscribed", "b", "requested")

	// Records that this client publishes, live.
	c.says("ping", "x")
	c.wants("pong", "x")
	c.says("publish", "p", "orders", `"hi"`)
	first, second := c.next(), c.next()
	if first[0] != "event" {
		first, second = second, first
	}
	if first[0] != "event" || first[4] != `"hi"` || second[0] != "published" || second[1] != "p" {
		t.Errorf("got %q and %q", first, second)
	}

	// Faults and the end.
	c.says("unsubscribe", "nothing")
	c.wants("error", "nothing", "bad_request")
	c.says("nonsense", "n")
	c.wants("error", "n", "bad_request")
	c.says("latin")
	c.wants("closing", "bad_request", "1")
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInvalidFramePayloadData {
		t.Errorf("the session ended with %v", err)
	}

	// It resumes where it was, on another connection.
	again := in.dialTabs(t, token(t, "u42", "live", time.Hour))
	again.wants("welcome")
	again.says("subscribe", "a", "orders", "", cursor)
	again.wants("subscribed", "a")
	again.wants("event", "orders", "*", "*", `"hi"`)
	again.wants("caught up", "a")
}

// TestAnotherDialectOfStreams is the same for responses.
func TestAnotherDialectOfStreams(t *testing.T) {
	t.Parallel()
	in := start(t, options{server: (*transport.Server).SpeakTabLines, config: compressing})
	in.publish("orders", 0, 0, 3)
	s := in.reads("/v1/streams/orders/events?from=earliest", token(t, "u42", "live", time.Hour),
		"Accept", "text/tab-separated-values", "Accept-Encoding", "gzip")
	if got := s.res.Header.Get("Content-Type"); got != "text/tab-separated-values" {
		t.Errorf("the media type is %q", got)
	}
	positions := 0
	wants := func(fields ...string) []string {
		t.Helper()
		for {
			text, err := s.lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSuffix(text, "\n"), "\t")
			if got[0] == "cursor" && got[1] != "" { // which comes at any time
				positions++
				continue
			}
			for i, want := range fields {
				if i >= len(got) || got[i] != want {
					t.Fatalf("got %q, want %q", got, fields)
				}
			}
			return got
		}
	}
	wants("ready")
	for _, offset := range []string{"0", "1", "2"} {
		wants("event", "orders", "0", offset)
	}
	wants("caught up", "")
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	if end := wants("closing", "draining"); end[2] == "" {
		t.Error("the end has no cursor")
	}
	if positions == 0 {
		t.Error("no position was told")
	}
}
