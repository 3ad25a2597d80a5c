package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"sluice/hub/record"
	"sluice/transport/wire"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1795245600000)
	gap := wire.Gap{Stream: "orders", Gap: record.Gap{Partition: 2, From: 118274, To: 119000, Reason: record.GapRetention}}
	filtered := gap
	filtered.Feed = "orders#9f3c2a11d0e4b7a6"
	tests := []struct {
		message wire.Message
		want    string
	}{
		{
			&wire.Welcome{
				Session: "s_01J", Principal: "u42", Now: now, Expires: now.Add(4400 * time.Second), Ping: 25 * time.Second,
				Limits: wire.SessionLimits{MessageBytes: 65536, SubscriptionsPerSession: 100, PublishesPerSession: 64, RecordBytes: 1048576},
			},
			`{"type":"welcome","session":"s_01J","principal":"u42","now":1795245600000,"expires_at":1795250000000,"expires_in_ms":4400000,"ping_ms":25000,"limits":{"message_bytes":65536,"subscriptions_per_session":100,"publishes_per_session":64,"record_bytes":1048576}}`,
		},
		{
			&wire.Welcome{Session: "s", Now: now},
			`{"type":"welcome","session":"s","now":1795245600000,"ping_ms":0,"limits":{"message_bytes":0,"subscriptions_per_session":0,"publishes_per_session":0,"record_bytes":0}}`,
		},
		{
			&wire.Welcome{Session: "s", Now: now, Expires: now.Add(-time.Second)},
			`{"type":"welcome","session":"s","now":1795245600000,"expires_at":1795245599000,"expires_in_ms":0,"ping_ms":0,"limits":{"message_bytes":0,"subscriptions_per_session":0,"publishes_per_session":0,"record_bytes":0}}`,
		},
		{
			&wire.Ready{Session: "s_01J", Streams: []string{"orders", "b"}, Cursor: "v1.kQEC3g"},
			`{"type":"ready","session":"s_01J","streams":["orders","b"],"cursor":"v1.kQEC3g"}`,
		},
		{
			&wire.Subscribed{ID: "a", Stream: "orders", Feed: "orders#9f3c2a11d0e4b7a6", Start: "cursor", Recovered: true, Cursor: "v1.kQEC3g"},
			`{"type":"subscribed","id":"a","stream":"orders","feed":"orders#9f3c2a11d0e4b7a6","start":"cursor","recovered":true,"cursor":"v1.kQEC3g"}`,
		},
		{
			&wire.Subscribed{ID: "a", Stream: "orders", Start: "last", Short: true, Cursor: "v1.k"},
			`{"type":"subscribed","id":"a","stream":"orders","feed":"orders","start":"last","short":true,"recovered":false,"cursor":"v1.k"}`,
		},
		{&wire.Unsubscribed{ID: "a", Reason: wire.ReasonRequested, Retryable: true, Cursor: "v1.k"}, `{"type":"unsubscribed","id":"a","reason":"requested","retryable":true,"cursor":"v1.k"}`},
		{&wire.Paused{ID: "a", Cursor: "v1.k"}, `{"type":"paused","id":"a","cursor":"v1.k"}`},
		{&wire.Resumed{ID: "a", Cursor: "v1.k"}, `{"type":"resumed","id":"a","cursor":"v1.k"}`},
		{&wire.Unsubscribed{ID: "a", Reason: wire.ReasonRetention, Message: "gone"}, `{"type":"unsubscribed","id":"a","reason":"retention","message":"gone","retryable":false}`},
		{&wire.Unsubscribed{ID: "a", Reason: wire.ReasonForbidden}, `{"type":"unsubscribed","id":"a","reason":"forbidden","retryable":false}`},
		{&wire.Cursor{Feed: "orders", Cursor: "v1.k"}, `{"type":"cursor","feed":"orders","cursor":"v1.k"}`},
		{&wire.CaughtUp{ID: "a", Cursor: "v1.k"}, `{"type":"caught_up","id":"a","cursor":"v1.k"}`},
		{&wire.CaughtUp{Cursor: "v1.k"}, `{"type":"caught_up","cursor":"v1.k"}`},
		{&gap, `{"type":"gap","stream":"orders","partition":2,"from":118274,"to":119000,"reason":"retention"}`},
		{&filtered, `{"type":"gap","feed":"orders#9f3c2a11d0e4b7a6","stream":"orders","partition":2,"from":118274,"to":119000,"reason":"retention"}`},
		{&wire.Status{Stream: "orders", Since: now}, `{"type":"status","stream":"orders","live":false,"since":1795245600000}`},
		{&wire.Status{Stream: "orders", Live: true}, `{"type":"status","stream":"orders","live":true}`},
		{&wire.TokenExpiring{ExpiresIn: time.Minute}, `{"type":"token_expiring","expires_in_ms":60000}`},
		{&wire.Authenticated{ID: "r1", ExpiresIn: 1500 * time.Microsecond}, `{"type":"authenticated","id":"r1","expires_in_ms":2}`},
		{&wire.Authenticated{ID: "r1"}, `{"type":"authenticated","id":"r1"}`},
		{&wire.Acked{ID: "a", Cursor: "v1.k"}, `{"type":"acked","id":"a","cursor":"v1.k"}`},
		{&wire.Ping{}, `{"type":"ping"}`},
		{&wire.Pong{ID: "x"}, `{"type":"pong","id":"x"}`},
		{&wire.Drain{Reconnect: 3120 * time.Millisecond}, `{"type":"drain","reconnect_ms":3120}`},
		{
			&wire.Closing{
				Code: wire.RateLimited, Message: "too fast", Close: 4101, RetryAfter: 3 * time.Second,
				Cursors: []wire.SubscriptionCursor{{ID: "a", Cursor: "v1.k"}, {ID: "\"\n", Cursor: "v1.l"}},
			},
			`{"type":"closing","code":"rate_limited","message":"too fast","close":4101,"action":"resume","retry_after_ms":3000,"cursors":{"a":"v1.k","\"\n":"v1.l"}}`,
		},
		{
			&wire.Closing{Code: wire.TokenExpired, RetryAfter: 5 * time.Second, Cursor: "v1.k"},
			`{"type":"closing","code":"token_expired","action":"reauthenticate","retry_after_ms":5000,"cursor":"v1.k"}`,
		},
		{
			&wire.Subscribed{ID: "a", Stream: "m.*", Pattern: true, Start: "latest", Cursor: "v1.k"},
			`{"type":"subscribed","id":"a","stream":"m.*","feed":"m.*","streams":[],"start":"latest","recovered":false,"cursor":"v1.k"}`,
		},
		{
			&wire.Subscribed{ID: "a", Stream: "m.*", Pattern: true, Members: []wire.Member{{Stream: "m.a"}, {Stream: "m.b", Feed: "m.b#1"}}, Start: "cursor", Recovered: true, Cursor: "v1.k"},
			`{"type":"subscribed","id":"a","stream":"m.*","feed":"m.*","streams":["m.a","m.b"],"feeds":{"m.b":"m.b#1"},"start":"cursor","recovered":true,"cursor":"v1.k"}`,
		},
		{
			&wire.Streams{ID: "a", Added: []wire.Member{{Stream: "m.a", Feed: "f1"}, {Stream: "m.b", Feed: "f2"}}, Removed: []string{"m.c"}, Omitted: 3, Cursor: "v1.k"},
			`{"type":"streams","id":"a","added":["m.a","m.b"],"feeds":{"m.a":"f1","m.b":"f2"},"removed":["m.c"],"omitted":3,"cursor":"v1.k"}`,
		},
		{&wire.Streams{Cursor: "v1.k"}, `{"type":"streams","added":[],"removed":[],"cursor":"v1.k"}`},
		{&wire.Closing{Code: wire.Forbidden, Action: wire.Resync}, `{"type":"closing","code":"forbidden","action":"resync"}`},
		{&wire.Closing{Close: 1000}, `{"type":"closing","close":1000}`},
		{&wire.Published{ID: "p7", Partition: 1, Offset: 5512, Timestamp: 1795245600123}, `{"type":"published","id":"p7","partition":1,"offset":5512,"ts":1795245600123}`},
		{&wire.Published{ID: "p7", Timestamp: -1, Duplicate: true}, `{"type":"published","id":"p7","partition":0,"offset":0,"ts":null,"duplicate":true}`},
		{
			&wire.PublishedBatch{ID: "p8", Results: []wire.Result{
				{Partition: 1, Offset: 5513},
				{Err: &wire.Error{ID: "p8", Code: wire.Invalid, Errors: []wire.Violation{{Pointer: "/a", Message: "m"}}}},
				{Offset: 7, Duplicate: true},
			}},
			`{"type":"published","id":"p8","failed":1,"results":[{"partition":1,"offset":5513},{"code":"invalid","retryable":false,"action":"stop","errors":[{"pointer":"/a","message":"m"}]},{"partition":0,"offset":7,"duplicate":true}]}`,
		},
	}
	for _, tt := range tests {
		got := tt.message.Append([]byte("before"))
		if string(got) != "before"+tt.want {
			t.Errorf("%T\n got %s\nwant %s", tt.message, got, tt.want)
		}
		if !json.Valid(got[len("before"):]) {
			t.Errorf("%T is not JSON: %s", tt.message, got)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	single := &wire.Published{ID: "p", Partition: 1, Offset: 2, Timestamp: 3}
	stored := &wire.PublishedBatch{Results: []wire.Result{{Partition: 1, Offset: 2}}}
	partly := &wire.PublishedBatch{Results: []wire.Result{{Partition: 1, Offset: 2}, {Err: wire.Errorf(wire.PublishUnknown, "m")}}}
	page := &wire.Page{
		Events: [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`)}, Cursor: "v1.k", CaughtUp: true,
		Gaps: []wire.Gap{{Stream: "s", Gap: record.Gap{To: 1, Reason: record.GapPolicy}}, {Stream: "s", Gap: record.Gap{Partition: 1, To: 1, Reason: record.GapPolicy}}},
	}
	tests := []struct{ name, got, want string }{
		{"single", string(single.AppendBody(nil)), `{"partition":1,"offset":2,"ts":3}`},
		{"batch", string(stored.AppendBody(nil)), `{"failed":0,"results":[{"partition":1,"offset":2}]}`},
		{"batch in part", string(partly.AppendBody(nil)), `{"failed":1,"results":[{"partition":1,"offset":2},{"code":"publish_unknown","message":"m","retryable":false}]}`},
		{"page", string(page.Append(nil)), `{"records":[{"a":1},{"b":2}],"gaps":[{"type":"gap","stream":"s","partition":0,"from":0,"to":1,"reason":"policy"},{"type":"gap","stream":"s","partition":1,"from":0,"to":1,"reason":"policy"}],"cursor":"v1.k","caught_up":true}`},
		{"empty page", string((&wire.Page{Cursor: "v1.k"}).Append(nil)), `{"records":[],"gaps":[],"cursor":"v1.k","caught_up":false}`},
		{"cursor", string(wire.AppendCursorData(nil, "v1.k")), `{"cursor":"v1.k"}`},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
	if stored.Status() != 200 || partly.Status() != 207 {
		t.Errorf("status %d and %d, want 200 and 207", stored.Status(), partly.Status())
	}
}

func TestMessagesAllocateNothing(t *testing.T) {
	dst := make([]byte, 0, 4096)
	cursor := &wire.Cursor{Feed: "orders", Cursor: "v1.kQED4A"}
	if n := testing.AllocsPerRun(100, func() { dst = cursor.Append(dst[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
