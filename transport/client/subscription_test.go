package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"sluice/transport/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial returns a client of a server, with short waits.
func dial(t *testing.T, handler http.Handler, adjust func(*client.Config)) *client.Client {
	t.Helper()
	h := httptest.NewServer(handler)
	t.Cleanup(h.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	config := client.Config{
		URL: h.URL + "/base", MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
		HTTPClient: &http.Client{Transport: transport},
	}
	if adjust != nil {
		adjust(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// collector checks what a subscription delivers: each record once, in order.
type collector struct {
	t    *testing.T
	next map[int32]int64
	n    int
}

func (c *collector) take(r client.Record) {
	if c.next == nil {
		c.next = map[int32]int64{}
	}
	if want := c.next[r.Partition]; r.Offset != want {
		c.t.Errorf("partition %d: got offset %d, want %d", r.Partition, r.Offset, want)
	}
	if want := fmt.Sprintf(`{"p":%d,"n":%d}`, r.Partition, r.Offset); string(r.Data) != want {
		c.t.Errorf("got %s, want %s", r.Data, want)
	}
	c.next[r.Partition] = r.Offset + 1
	c.n++
}

// cuts are the ways in which a connection can be lost and come back.
var cuts = []func(c *websocket.Conn){
	func(c *websocket.Conn) { _ = c.CloseNow() },
	func(c *websocket.Conn) { _ = c.Close(websocket.StatusGoingAway, "") },
	func(c *websocket.Conn) { _ = c.Close(websocket.StatusNoStatusRcvd, "") },
	func(c *websocket.Conn) { _ = c.Close(websocket.StatusInternalError, "") },
	func(c *websocket.Conn) { _ = c.Close(websocket.StatusServiceRestart, "") },
	func(c *websocket.Conn) { _ = c.Close(websocket.StatusTryAgainLater, "") },
	func(c *websocket.Conn) { _ = c.Close(4008, "slow_consumer") },
	func(c *websocket.Conn) {
		say(c, `{"type":"closing","code":"rate_limited","close":4101,"action":"resume","retry_after_ms":2}`)
		_ = c.Close(4101, "rate_limited")
	},
	func(c *websocket.Conn) {
		say(c, `{"type":"drain","reconnect_ms":3}`)
		say(c, `{"type":"closing","code":"draining","close":1012,"action":"resume"}`)
		_ = c.Close(websocket.StatusServiceRestart, "")
	},
	func(c *websocket.Conn) {
		say(c, `{"type":"unsubscribed","id":"0","reason":"error","retryable":true}`)
	},
	func(c *websocket.Conn) {
		say(c, `{"type":"error","id":"0","code":"overloaded","retryable":true,"retry_after_ms":1}`)
	},
}

func cutAtRandom(most int) func(*websocket.Conn, int) bool {
	return func(c *websocket.Conn, sent int) bool {
		if rand.IntN(most) > 0 {
			return false
		}
		cuts[rand.IntN(len(cuts))](c)
		return true
	}
}

func TestEveryRecordOnceHoweverOftenConnectionsAreCut(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]client.Request{
		"cursor":       {Stream: "s", From: client.Earliest},
		"named cursor": {Stream: "s", From: client.Earliest, CursorName: "n"},
		"reset":        {Stream: "s", From: client.Earliest, CursorName: "n", Reset: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const partitions, each = 4, 200
			s := newServer(t, partitions, each)
			s.end = cutAtRandom(20)
			if request.Reset {
				s.named = map[int32]int64{0: 150, 1: 150, 2: 150, 3: 150}
			}
			sub := dial(t, s, nil).NewSubscription(request)
			got := collector{t: t}
			disconnected := 0
			for event, err := range sub.Events(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				switch event := event.(type) {
				case client.Record:
					got.take(event)
					if request.CursorName != "" && got.n%10 == 0 {
						// It may be lost with its connection.
						_ = sub.Ack(t.Context())
					}
					if got.n == partitions*each/2 {
						s.write()
					}
				case client.Disconnected:
					disconnected++
				}
				if got.n == partitions*(each+1) {
					break
				}
			}
			if disconnected == 0 {
				t.Error("no connection was cut")
			}
			at := parseCursor(t, sub.Cursor())
			for p := range int32(partitions) {
				if at[p] != each+1 {
					t.Errorf("the cursor is at %d of partition %d", at[p], p)
				}
			}
		})
	}
}

func TestResumesInAnotherProcessFromTheCursor(t *testing.T) {
	t.Parallel()
	s := newServer(t, 3, 50)
	s.cursorEvery = 0
	c := dial(t, s, nil)
	got := collector{t: t}
	from := client.Earliest
	for got.n < 150 {
		sub := c.NewSubscription(client.Request{Stream: "s", From: from})
		for event, err := range sub.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if record, ok := event.(client.Record); ok {
				got.take(record)
				if got.n%25 == 0 {
					break
				}
			}
		}
		from = sub.Cursor()
	}
}

func TestRecordFields(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1, 1)
	for event, err := range dial(t, s, nil).Subscribe(t.Context(), client.Request{Stream: "s", From: client.Earliest}) {
		if err != nil {
			t.Fatal(err)
		}
		r, ok := event.(client.Record)
		if !ok {
			continue
		}
		if string(r.Key) != "k" || !r.Time.Equal(time.UnixMilli(5)) || len(r.Headers) != 3 {
			t.Errorf("got %+v", r)
		}
		if h := r.Headers; string(h[0].Value) != "v" || h[1].Value != nil || string(h[2].Value) != "\x00\x01" {
			t.Errorf("headers %q", r.Headers)
		}
		break
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		record client.Record
		want   string
		isNil  bool
	}{
		{client.Record{Data: []byte(`{"a":1}`)}, `{"a":1}`, false},
		{client.Record{Data: []byte(`"a\nb"`), Encoding: "text"}, "a\nb", false},
		{client.Record{Data: []byte(`"AAE="`), Encoding: "base64"}, "\x00\x01", false},
		{client.Record{Data: []byte(`null`), Tombstone: true}, "", true},
		{client.Record{Data: []byte(`null`), Undecrypted: []string{"data"}}, "", true},
		{client.Record{Data: []byte(`{"a":null}`), Undecrypted: []string{"/a"}}, `{"a":null}`, false},
	} {
		got, err := test.record.Value()
		if err != nil || string(got) != test.want || (got == nil) != test.isNil {
			t.Errorf("%+v: %q, %v", test.record, got, err)
		}
	}
	for _, bad := range []client.Record{
		{Data: []byte(`"?"`), Encoding: "base64"},
		{Data: []byte(`5`), Encoding: "text"},
		{Data: []byte(`"x"`), Encoding: "rot13"},
	} {
		if _, err := bad.Value(); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestGapsAreEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1, 0)
	s.intercept = func(c *websocket.Conn, attempt int, request map[string]any) bool {
		record := func(offset int) { say(c, `{"type":"event","partition":0,"offset":%d,"data":%d}`, offset, offset) }
		if attempt == 1 {
			say(c, `{"type":"subscribed","id":"0","cursor":"v1.a"}`)
			say(c, `{"type":"gap","partition":0,"from":0,"to":10,"reason":"retention"}`)
			record(9) // before the gap's end: has been reported as missing
			record(10)
			return true
		}
		if request["from"] != "v1.a~0:11" {
			t.Errorf("came back from %v", request["from"])
		}
		say(c, `{"type":"subscribed","id":"0","cursor":"v1.b"}`)
		say(c, `{"type":"gap","partition":0,"from":0,"to":10,"reason":"retention"}`) // again
		record(10)                                                                   // again
		say(c, `{"type":"gap","partition":0,"from":11,"to":11,"reason":"log_changed"}`)
		record(0)
		record(1)
		say(c, `{"type":"gap","partition":0,"from":1,"to":2,"reason":"truncated"}`)
		record(1)
		say(c, `{"type":"closing","code":"superseded","close":4510,"action":"stop"}`)
		_ = c.Close(4510, "")
		return true
	}
	var got []string
	for event, err := range dial(t, s, nil).Subscribe(t.Context(), client.Request{Stream: "s"}) {
		switch event := event.(type) {
		case client.Record:
			got = append(got, string(event.Data))
		case client.Gap:
			got = append(got, event.Reason)
		}
		if err != nil {
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Code != "superseded" || refused.Close != 4510 {
				t.Errorf("ended with %v", err)
			}
		}
	}
	want := []string{"retention", "10", "log_changed", "0", "1", "truncated", "1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStopsWhereThereIsNoSenseInComingBack(t *testing.T) {
	t.Parallel()
	closing := func(code websocket.StatusCode, words string) func(*server) {
		return func(s *server) {
			s.intercept = func(c *websocket.Conn, _ int, _ map[string]any) bool {
				if words != "" {
					say(c, "%s", words)
				}
				_ = c.Close(code, "")
				return true
			}
		}
	}
	problem := func(status int, code string) func(*server) {
		return func(s *server) {
			s.refuse = func(w http.ResponseWriter, _ int) bool {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, `{"code":%q,"detail":"no"}`, code)
				return true
			}
		}
	}
	for name, test := range map[string]struct {
		set  func(*server)
		code string
		ends bool // without an error
	}{
		"finished":     {closing(websocket.StatusNormalClosure, ""), "", true},
		"protocol":     {closing(websocket.StatusProtocolError, ""), "", false},
		"flood":        {closing(websocket.StatusPolicyViolation, ""), "", false},
		"forbidden":    {closing(4503, `{"type":"closing","code":"forbidden","close":4503,"action":"stop"}`), "forbidden", false},
		"bare 4500":    {closing(4500, ""), "", false},
		"resync":       {closing(4301, `{"type":"closing","code":"retention","close":4301,"action":"resync"}`), "retention", false},
		"bare 4303":    {closing(4303, ""), "", false},
		"bad cursor":   {closing(4305, `{"type":"closing","code":"bad_cursor","close":4305,"action":"resync"}`), "bad_cursor", false},
		"bare 4305":    {closing(4305, ""), "", false},
		"expired":      {closing(4201, ""), "", false},
		"status 403":   {problem(http.StatusForbidden, "forbidden"), "forbidden", false},
		"status 401":   {problem(http.StatusUnauthorized, "unauthenticated"), "unauthenticated", false},
		"refused":      {closing(1000, `{"type":"error","id":"0","code":"unknown_stream","retryable":false}`), "unknown_stream", false},
		"unsubscribed": {closing(1000, `{"type":"unsubscribed","id":"0","reason":"superseded","retryable":false}`), "superseded", false},
		"bad record":   {closing(1000, `{"type":"event","partition":0,"offset":0,"key":"?","key_encoding":"base64","data":1}`), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, 1, 0)
			test.set(s)
			var last error
			for event, err := range dial(t, s, nil).Subscribe(t.Context(), client.Request{Stream: "s"}) {
				if _, again := event.(client.Disconnected); again {
					t.Error("came back")
				}
				last = err
			}
			var refused *client.Error
			if test.ends != (last == nil) {
				t.Errorf("ended with %v", last)
			}
			if test.code != "" && (!errors.As(last, &refused) || refused.Code != test.code) {
				t.Errorf("ended with %v", last)
			}
		})
	}
}

func TestComesBackAfterARefusalThatPasses(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1, 1)
	s.refuse = func(w http.ResponseWriter, attempt int) bool {
		statuses := []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway}
		if attempt > len(statuses) {
			return false
		}
		w.WriteHeader(statuses[attempt-1])
		return true
	}
	lost := 0
	for event, err := range dial(t, s, nil).Subscribe(t.Context(), client.Request{Stream: "s", From: client.Earliest}) {
		if err != nil {
			t.Fatal(err)
		}
		switch event.(type) {
		case client.Disconnected:
			lost++
		case client.Record:
			if lost != 3 {
				t.Errorf("lost %d times", lost)
			}
			return
		}
	}
}

func TestAsksForAnotherTokenWhenOneHasExpired(t *testing.T) {
	t.Parallel()
	var number atomic.Int64
	token := func(context.Context) (string, error) { return fmt.Sprint("t", number.Add(1)), nil }
	s := newServer(t, 1, 1)
	s.intercept = func(c *websocket.Conn, attempt int, _ map[string]any) bool {
		if attempt > 1 {
			return false
		}
		say(c, `{"type":"closing","code":"token_expired","close":4201,"action":"reauthenticate"}`)
		_ = c.Close(4201, "")
		return true
	}
	for event, err := range dial(t, s, func(c *client.Config) { c.Token = token }).Subscribe(t.Context(), client.Request{Stream: "s", From: client.Earliest}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := event.(client.Record); ok {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fmt.Sprint(s.tokens) != "[Bearer t1 Bearer t2]" {
		t.Errorf("tokens %v", s.tokens)
	}
}

func TestTokensThatAreRefusedAreNotTriedForEver(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1, 1)
	s.refuse = func(w http.ResponseWriter, _ int) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	token := func(context.Context) (string, error) { return "t", nil }
	var last error
	for _, err := range dial(t, s, func(c *client.Config) { c.Token = token }).Subscribe(t.Context(), client.Request{Stream: "s"}) {
		last = err
	}
	var refused *client.Error
	if !errors.As(last, &refused) || refused.Status != http.StatusUnauthorized || s.attempts != 3 {
		t.Errorf("%v after %d attempts", last, s.attempts)
	}
}

func TestTheContextEndsTheLoop(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	for name, s := range map[string]*server{"connected": newServer(t, 1, 1), "waiting": {t: t, refuse: func(w http.ResponseWriter, _ int) bool {
		w.Header().Set("Retry-After", "1000")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var last error
			for _, err := range dial(t, s, nil).Subscribe(ctx, client.Request{Stream: "s", From: client.Earliest}) {
				last = err
				time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
			}
			if !errors.Is(last, why) {
				t.Errorf("ended with %v", last)
			}
		})
	}
}

// TestAckAt: what is stored is the position that was asked for, also if the loop is ahead of it.
func TestAckAt(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1, 10)
	sub := dial(t, s, nil).NewSubscription(client.Request{Stream: "s", From: client.Earliest, CursorName: "n", Wire: true})
	cursor := ""
	for event, err := range sub.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		switch event := event.(type) {
		case client.Record:
			var wire struct {
				Type string
				Data json.RawMessage
			}
			if err := json.Unmarshal(event.Wire, &wire); err != nil || wire.Type != "event" || string(wire.Data) != string(event.Data) {
				t.Errorf("the wire has %s, %v", event.Wire, err)
			}
			switch event.Offset {
			case 4:
				cursor = sub.Cursor()
			case 9:
				if err := sub.AckAt(t.Context(), cursor); err != nil {
					t.Fatal(err)
				}
			}
		case client.Acked:
			if got := parseCursor(t, event.Cursor)[0]; got != 5 {
				t.Errorf("the position is %d", got)
			}
			return
		}
	}
}

func TestOneLoopAtATime(t *testing.T) {
	t.Parallel()
	sub := dial(t, newServer(t, 1, 1), nil).NewSubscription(client.Request{Stream: "s", From: client.Earliest})
	if err := sub.Ack(t.Context()); !errors.Is(err, client.ErrDisconnected) {
		t.Errorf("ack without a connection: %v", err)
	}
	for _, err := range sub.Events(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		for _, err := range sub.Events(t.Context()) {
			if !errors.Is(err, client.ErrRunning) {
				t.Errorf("second loop: %v", err)
			}
		}
		break
	}
}

func TestConfigurationsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, config := range []client.Config{
		{},
		{URL: "ftp://h"},
		{URL: "http://"},
		{URL: "http://user:secret@h"},
		{URL: "http://h?access_token=x"},
		{URL: "http://h", HTTPClient: &http.Client{Timeout: time.Second}},
		{URL: "http://h", MinBackoff: time.Second, MaxBackoff: time.Millisecond},
	} {
		if _, err := client.New(config); err == nil {
			t.Errorf("%+v: no error", config)
		}
	}
}
