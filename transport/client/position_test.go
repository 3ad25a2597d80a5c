package client_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

// TestAVoidPositionIsForgotten: a position that the server cannot use ends the loop with
// an error that says so, and the next loop does not send it again, however the server
// reports it.
func TestAVoidPositionIsForgotten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		words string
		code  websocket.StatusCode
	}{
		"error":        {`{"type":"error","id":"0","code":"bad_cursor","message":"no","retryable":false,"action":"resync"}`, 1000},
		"unsubscribed": {`{"type":"unsubscribed","id":"0","reason":"retention","retryable":false}`, 1000},
		"closing":      {`{"type":"closing","code":"bad_cursor","close":4305,"action":"resync"}`, 4305},
		"close":        {"", 4305},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, 1, 3)
			var (
				mu     sync.Mutex
				starts []any
				over   atomic.Bool // connections are not cut any more
			)
			s.intercept = func(c *websocket.Conn, attempt int, request map[string]any) bool {
				mu.Lock()
				starts = append(starts, request["from"])
				mu.Unlock()
				if attempt != 2 {
					return false
				}
				if test.words != "" {
					say(c, "%s", test.words)
				}
				_ = c.Close(test.code, "")
				return true
			}
			s.end = func(c *websocket.Conn, sent int) bool {
				if sent < 2 || over.Load() {
					return false
				}
				_ = c.CloseNow()
				return true
			}
			sub := dial(t, s, nil).NewSubscription(client.Request{Stream: "s", From: client.Earliest})
			var last error
			for _, err := range sub.Events(t.Context()) {
				last = err
			}
			var refused *client.Error
			if !errors.As(last, &refused) || test.words != "" && test.code != 1000 && refused.Action != "resync" {
				t.Errorf("ended with %v", last)
			}
			if got := sub.Cursor(); got != "" {
				t.Errorf("the position is %q", got)
			}
			over.Store(true)
			first := int64(-1)
			for event, err := range sub.Events(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				if record, ok := event.(client.Record); ok {
					first = record.Offset
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if first != 0 || len(starts) != 3 || starts[2] != client.Earliest {
				t.Errorf("the next loop began at %d, after %v", first, starts)
			}
		})
	}
}

func TestOffsetsAsText(t *testing.T) {
	t.Parallel()
	if got := client.Offsets(map[int32]int64{5: 77, 2: 118273}); got != "offset:2:118273,5:77" {
		t.Errorf("got %s", got)
	}
}
