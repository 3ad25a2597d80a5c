package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

// script is a server whose n-th connection follows the n-th list of words: "<type" waits
// for a message of that type, all else is sent; then the connection stays. It records the
// messages that it waited for, and the number of connections.
type script struct {
	connections [][]string

	mu   sync.Mutex
	made int
	got  []map[string]any
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.made++
	var words []string
	if s.made <= len(s.connections) {
		words = s.connections[s.made-1]
	}
	s.mu.Unlock()
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for i, word := range words {
		if i == 1 { // not before, as a pipe has no room for what both sides send at once
			say(c, `{"type":"welcome","session":"s","ping_ms":25000,"expires_in_ms":3600000}`)
		}
		if word[0] != '<' {
			say(c, "%s", word)
			continue
		}
		for {
			var m map[string]any
			if !receive(r.Context(), c, &m) {
				return
			}
			s.mu.Lock()
			s.got = append(s.got, m)
			s.mu.Unlock()
			if m["type"] == word[1:] {
				break
			}
		}
	}
	var rest map[string]any
	for receive(r.Context(), c, &rest) {
	}
}

// messages returns a field of the messages of a type.
func (s *script) messages(of, field string) (all []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.got {
		if m["type"] == of {
			all = append(all, m[field])
		}
	}
	return all
}

const (
	confirmed = `{"type":"subscribed","id":"0","stream":"s","feed":"s","start":"cursor","recovered":true,"cursor":"v1.a"}`
	record5   = `{"type":"event","stream":"s","partition":0,"offset":5,"data":1}`
	record6   = `{"type":"event","stream":"s","partition":0,"offset":6,"data":1}`
	ended     = `{"type":"unsubscribed","id":"0","reason":"stream_changed","retryable":true,"cursor":"v1.b"}`
)

// follow collects records and gaps, until there are enough or the loop ends.
func follow(t *testing.T, sub *client.Subscription, enough int, each func(client.Event)) (offsets []int64, gaps []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var event client.Event
	for event, err = range sub.Events(ctx) {
		if err != nil {
			return offsets, gaps, err
		}
		switch event := event.(type) {
		case client.Record:
			offsets = append(offsets, event.Offset)
		case client.Gap:
			gaps = append(gaps, event.Reason)
		}
		if each != nil {
			each(event)
		}
		if len(offsets) == enough {
			break
		}
	}
	return offsets, gaps, nil
}

func TestASubscriptionIsAskedForAgainInItsSession(t *testing.T) {
	t.Parallel()
	refused := func(more string) string {
		return `{"type":"error","id":"0","code":"overloaded","retryable":true,"action":"resume"` + more + `}`
	}
	for name, test := range map[string]struct {
		connections [][]string
		starts      []any
	}{
		"ended": {
			[][]string{{"<subscribe", confirmed, record5, ended, "<subscribe", confirmed, record5, record6}},
			[]any{"earliest", "v1.b"},
		},
		"refused": {
			[][]string{{"<subscribe", refused(""), "<subscribe", confirmed, record5, record6}},
			[]any{"earliest", "earliest"},
		},
		"refused for long": {
			[][]string{{"<subscribe", refused(`,"retry_after_ms":60000`)}, {"<subscribe", confirmed, record5, record6}},
			[]any{"earliest", "earliest"},
		},
		"another request is refused": {
			[][]string{{"<subscribe", confirmed, record5, refused("")}, {"<subscribe", confirmed, record6}},
			[]any{"earliest", "v1.a~0:6"},
		},
		"while draining": {
			[][]string{{"<subscribe", confirmed, record5, `{"type":"drain","reconnect_ms":4000}`, ended}, {"<subscribe", confirmed, record6}},
			[]any{"earliest", "v1.b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{connections: test.connections}
				sub := dialPipes(t, s, nil).NewSubscription(client.Request{Stream: "s", From: client.Earliest})
				interrupted := 0
				offsets, gaps, err := follow(t, sub, 2, func(event client.Event) {
					if _, ok := event.(client.Disconnected); ok {
						interrupted++
					}
				})
				if err != nil || !slices.Equal(offsets, []int64{5, 6}) || len(gaps) > 0 || interrupted != 1 {
					t.Errorf("records %v, gaps %q, %d interruptions: %v", offsets, gaps, interrupted, err)
				}
				if starts := s.messages("subscribe", "from"); !slices.Equal(starts, test.starts) || s.made != len(test.connections) {
					t.Errorf("%d connections, and starts %v", s.made, starts)
				}
			})
		})
	}
}

// TestAnAckThatComesTooLateEndsNothing: an ack was on its way when the server ended the
// subscription, which refuses it before it answers the next request.
func TestAnAckThatComesTooLateEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{connections: [][]string{{
			"<subscribe", confirmed, record6, "<ack", `{"type":"unsubscribed","id":"0","reason":"moved","retryable":false}`,
			`{"type":"error","id":"0","code":"bad_request","message":"no subscription has this id","retryable":false,"action":"stop"}`,
			"<subscribe", confirmed, record5, "<ack",
		}}}
		sub := dialPipes(t, s, nil).NewSubscription(client.Request{Stream: "s", CursorName: "n", From: client.Earliest, Resync: true})
		offsets, gaps, err := follow(t, sub, 2, func(event client.Event) {
			if _, ok := event.(client.Record); ok {
				if err := sub.Ack(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil || !slices.Equal(offsets, []int64{6, 5}) || !slices.Equal(gaps, []string{"resync"}) {
			t.Errorf("records %v, gaps %q: %v", offsets, gaps, err)
		}
		synctest.Wait()
		if asked, acked := s.messages("subscribe", "id"), s.messages("ack", "id"); len(asked) != 2 || !slices.Equal(asked, acked) || asked[0] == asked[1] {
			t.Errorf("asked for as %v, and acked as %v", asked, acked)
		}
	})
}

func TestAcksAndPausesWaitForTheSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{connections: [][]string{{
			"<subscribe", confirmed, record5, ended, "<subscribe", confirmed, "<pause", `{"type":"paused","id":"0","cursor":"v1.c"}`, record6,
		}}}
		sub := dialPipes(t, s, nil).NewSubscription(client.Request{Stream: "s", CursorName: "n"})
		offsets, _, err := follow(t, sub, 2, func(event client.Event) {
			if _, ok := event.(client.Disconnected); ok {
				if err := sub.Ack(t.Context()); !errors.Is(err, client.ErrDisconnected) {
					t.Errorf("acked without a subscription: %v", err)
				}
				if err := sub.Pause(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil || !slices.Equal(offsets, []int64{5, 6}) || len(s.messages("pause", "id")) != 1 {
			t.Errorf("records %v, pauses %v: %v", offsets, s.messages("pause", "id"), err)
		}
	})
}

func TestResync(t *testing.T) {
	t.Parallel()
	refused := func(id int) string {
		return fmt.Sprintf(`{"type":"error","id":"%d","code":"bad_cursor","retryable":false,"action":"resync"}`, id)
	}
	for name, test := range map[string]struct {
		request     client.Request
		connections [][]string
		offsets     []int64
		gaps        []string
		ends        bool
	}{
		"in the session": {
			client.Request{Resync: true},
			[][]string{{"<subscribe", confirmed, record6, ended, "<subscribe", refused(1), "<subscribe", confirmed, record5}},
			[]int64{6, 5},
			[]string{"resync"},
			false,
		},
		"not wanted": {
			client.Request{}, [][]string{{"<subscribe", confirmed, record6, ended, "<subscribe", refused(1)}}, []int64{6}, nil, true,
		},
		"gaps are failures": {
			client.Request{Resync: true, FailOnGap: true},
			[][]string{{"<subscribe", confirmed, record6, ended, "<subscribe", refused(1)}},
			[]int64{6},
			nil, true,
		},
		"the start is void": {
			client.Request{Resync: true}, [][]string{{"<subscribe", refused(0)}}, nil, nil, true,
		},
		"the start is void, too": {
			client.Request{Resync: true},
			[][]string{{"<subscribe", confirmed, record6, ended, "<subscribe", refused(1), "<subscribe", refused(2)}},
			[]int64{6},
			[]string{"resync"},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{connections: test.connections}
				test.request.Stream, test.request.From = "s", client.Last(1)
				offsets, gaps, err := follow(t, dialPipes(t, s, nil).NewSubscription(test.request), 2, nil)
				if (err != nil) != test.ends || !slices.Equal(offsets, test.offsets) || !slices.Equal(gaps, test.gaps) || s.made != 1 {
					t.Errorf("records %v, gaps %q, %d connections: %v", offsets, gaps, s.made, err)
				}
			})
		})
	}
}

func TestATokenIsRenewedWhenTheServerAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const asks = `{"type":"token_expiring","expires_in_ms":60000}`
		s := &script{connections: [][]string{{
			"<subscribe", confirmed, record5, asks, "<auth", asks, `{"type":"authenticated","id":"r1","expires_in_ms":3600000}`, record6,
		}}}
		began := time.Now()
		sub := dialPipes(t, s, counting()).NewSubscription(client.Request{Stream: "s"})
		offsets, _, err := follow(t, sub, 2, nil)
		if err != nil || !slices.Equal(offsets, []int64{5, 6}) || time.Since(began) > time.Second {
			t.Errorf("records %v after %v: %v", offsets, time.Since(began), err)
		}
		if tokens := s.messages("auth", "token"); !slices.Equal(tokens, []any{"t2"}) {
			t.Errorf("tokens %v", tokens)
		}
	})
}

// counting returns a source of tokens t1, t2 and so on.
func counting() func(context.Context) (string, error) {
	var number atomic.Int32
	return func(context.Context) (string, error) { return fmt.Sprint("t", number.Add(1)), nil }
}
