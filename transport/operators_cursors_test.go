package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport"
)

// shownCursor is a named cursor as operators see it.
type shownCursor struct {
	Stream, Name, Principal, Subject, Tenant, Cursor string

	Held     bool
	Stored   int64  `json:"stored_at"`
	Lag      *int64 `json:"lag_records"`
	Position struct {
		Partitions []struct {
			Partition int
			Offset    int64
		}
	}
}

// cursors returns what an operator sees of named cursors.
func (in *instance) cursors(tok, query string) (all []shownCursor, next string) {
	in.t.Helper()
	status, _, body := in.do(http.MethodGet, "/v1/admin/cursors"+query, tok, "")
	var answer struct {
		Cursors []shownCursor
		Next    string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		in.t.Fatalf("got %d %s, %v", status, body, err)
	}
	return answer.Cursors, answer.Next
}

// move has an operator move a cursor of u, and returns what is shown then.
func (in *instance) move(name, from string) shownCursor {
	in.t.Helper()
	body := fmt.Sprintf(`{"principal":"user:test:u","from":%q}`, from)
	status, _, answer := in.do(http.MethodPut, "/v1/admin/cursors/orders/"+name, operatorToken(in.t), body, "Content-Type", "application/json")
	var moved shownCursor
	if err := json.Unmarshal([]byte(answer), &moved); err != nil || status != http.StatusOK {
		in.t.Fatalf("%s: got %d %s", from, status, answer)
	}
	return moved
}

func (c *shownCursor) offset(partition int) int64 {
	for _, at := range c.Position.Partitions {
		if at.Partition == partition {
			return at.Offset
		}
	}
	return -1
}

// stores has a client read n records under a name and ack them.
func (in *instance) stores(name, tok string, n int) *socket {
	in.t.Helper()
	s := in.dial("", tok)
	s.until("welcome")
	s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest","cursor_name":%q}`, name)
	for range n {
		s.until("event")
	}
	s.send(`{"type":"ack","id":"a","cursor":%q}`, s.until("caught_up").str("cursor"))
	s.until("acked")
	return s
}

// TestCursorsAreShown: whose they are, where they are, and which are held.
func TestCursorsAreShown(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	op := operatorToken(t)
	in.publish("orders", 0, 0, 5)
	held := in.stores("n", token(t, "u", "live", time.Hour), 5)
	left := in.stores("m", token(t, "v", "live", time.Hour), 5)
	_ = left.CloseNow()
	in.publish("orders", 0, 5, 8)
	held.until("event")
	in.eventually("one is held, and one is not", func() bool {
		all, next := in.cursors(op, "")
		by := map[string]shownCursor{}
		for _, c := range all {
			by[c.Name] = c
		}
		n, m := by["n"], by["m"]
		return len(all) == 2 && next == "" && n.Held && !m.Held && n.Principal == "user:test:u" && n.Subject == "u" && n.Stream == "orders" &&
			n.offset(0) == 5 && n.Lag != nil && *n.Lag == 3 && m.Subject == "v" && time.Since(time.UnixMilli(n.Stored)) < time.Hour
	})
	for query, want := range map[string]int{
		"?stream=orders": 2, "?stream=nope": 0, "?principal=" + url.QueryEscape("user:test:v"): 1, "?limit=1": 1, "?limit=1&after=m": 1,
	} {
		if all, _ := in.cursors(op, query); len(all) != want {
			t.Errorf("%s: got %+v", query, all)
		}
	}
	if status, _, body := in.operate(http.MethodGet, "/cursors", ""); status != http.StatusOK || !strings.Contains(body, "user:test:v") {
		t.Errorf("got %d %s", status, body)
	}
	in.store.setAway(true)
	status, head, body := in.do(http.MethodGet, "/v1/admin/cursors", op, "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
}

// TestCursorsAreMoved: to where a subscription would begin, also back, and whoever held the
// name is told that it has lost it: what it acks afterwards changes nothing.
func TestCursorsAreMoved(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for n := range 10 {
		in.topics.Append("orders", record.Record{Value: []byte("1"), Timestamp: time.Now().Add(time.Duration(n-10) * time.Minute).UnixMilli()})
	}
	live := token(t, "u", "live", time.Hour)
	holder := in.stores("n", live, 10)
	tip := in.move("n", "latest") // its own place
	if m := holder.until("unsubscribed"); m.str("reason") != "moved" || m["retryable"] != false {
		t.Errorf("the holder is told %v", m)
	}
	holder.send(`{"type":"ack","id":"a","cursor":%q}`, tip.Cursor)
	holder.until("error")
	for _, c := range []struct {
		from   string
		offset int64
	}{
		{"earliest", 0}, {"latest", 10}, {"-330s", 5}, {"offset:0:3", 3}, {tip.Cursor, 10}, {time.Now().Add(-150 * time.Second).UTC().Format(time.RFC3339), 8}, {"offset:0:2", 2},
	} {
		moved := in.move("n", c.from)
		if got := moved.offset(0); got != c.offset || moved.Held {
			t.Errorf("%s: moved to %d, want %d", c.from, got, c.offset)
		}
		if all, _ := in.cursors(operatorToken(t), ""); len(all) != 1 || all[0].offset(0) != moved.offset(0) {
			t.Errorf("%s: shown is %+v", c.from, all)
		}
	}
	again := in.dial("", live)
	again.until("welcome")
	again.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n"}`)
	if m := again.until("event"); m["offset"] != 2.0 {
		t.Errorf("it begins at %v", m["offset"])
	}
	for body, want := range map[string][2]any{
		`{"principal":"user:test:u","from":"last:3"}`: {400, "bad_request"},
		`{"principal":"user:test:u"}`:                 {400, "bad_request"},
		`{"from":"latest"}`:                           {400, "bad_request"},
		`{"principal":"u","from":"latest"}`:           {400, "bad_request"},
		`{"principal":"user:test:u","from":"never"}`:  {400, "bad_request"},
		`{"principal":"user:test:x","from":"latest"}`: {410, "cursor_lost"},
	} {
		status, head, answer := in.do(http.MethodPut, "/v1/admin/cursors/orders/n", operatorToken(t), body, "Content-Type", "application/json")
		m := in.problem(t, status, head, answer, want[0].(int), want[1].(string))
		if want[0] == 410 && !strings.Contains(m.str("detail"), "can be moved") {
			t.Errorf("an operator is told what a subscriber should do: %s", answer)
		}
	}
}

// TestConsumersGoOnWhereTheyAreMoved: whoever holds a cursor that is moved is told so, over
// whatever it reads, and begins at the new position if it begins at once without one.
func TestConsumersGoOnWhereTheyAreMoved(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 10)
	live := token(t, "u", "live", time.Hour)
	holder := in.stores("n", live, 10)
	for _, to := range []int{3, 7, 0} {
		in.move("n", fmt.Sprint("offset:0:", to))
		holder.until("unsubscribed")
		holder.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest","cursor_name":"n"}`)
		if m := holder.until("event"); m["offset"] != float64(to) {
			t.Errorf("moved to %d, it begins at %v", to, m["offset"])
		}
		// What it acked is an ack of the new position.
		holder.send(`{"type":"ack","id":"a","cursor":%q}`, holder.until("caught_up").str("cursor"))
		holder.until("acked")
	}
	holder.send(`{"type":"unsubscribe","id":"a"}`)
	holder.until("unsubscribed")
	for _, pattern := range []string{"/v1/streams/orders/events?cursor_name=n", "/v1/events?stream=ord*&cursor_name=n&from=latest"} {
		events := in.events(pattern, live)
		events.until("sluice.caught_up")
		in.move("n", "earliest")
		events.closesWith("cursor_moved", "resync", true)
	}
}

// TestAcksThatMeetAMove: an ack that a move has made void is answered by the end of its
// subscription alone. An error would read as a refusal of what the client asks for next under
// the same id, and with the advice to stop.
func TestAcksThatMeetAMove(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"orders", "ord*"} {
		for _, elsewhere := range []bool{false, true} {
			t.Run(fmt.Sprint(stream, elsewhere), func(t *testing.T) {
				t.Parallel()
				inBubble(t, options{}, func(t *testing.T, in *instance) {
					in.publish("orders", 0, 0, 3)
					c := in.dial("", token(t, "u", "live", time.Hour))
					subscribe := `{"type":"subscribe","id":"a","stream":"` + stream + `","cursor_name":"n","from":"earliest"}`
					c.send("%s", subscribe)
					cursor := c.until("caught_up").str("cursor")
					c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
					c.until("acked")
					// It waits for those that come with it, and is written after the move.
					c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
					c.send(`{"type":"ping","id":"read"}`)
					c.until("pong")
					if elsewhere { // without a message that reports it
						name := cursors.Key{Principal: "user:test:u", Stream: "orders", Name: "n"}
						if _, err := in.store.Move(t.Context(), name, in.store.at[name].Position, time.Now()); err != nil {
							t.Fatal(err)
						}
					} else {
						in.move("n", "earliest")
					}
					ended := c.next()
					if ended.str("type") != "unsubscribed" || ended.str("reason") != "moved" {
						t.Fatalf("got %v", ended)
					}
					time.Sleep(time.Second) // the ack has been refused
					c.send("%s", subscribe)
					if m := c.next(); m.str("type") != "subscribed" {
						t.Errorf("got %v", m)
					}
				})
			})
		}
	}
}

// TestCursorsAreRemoved: the holder is told, and what it acks afterwards is refused.
func TestCursorsAreRemoved(t *testing.T) {
	t.Parallel()
	o, a := audited(t, options{})
	in := start(t, o)
	op := operatorToken(t)
	in.publish("orders", 0, 0, 5)
	holder := in.stores("n", token(t, "u", "live", time.Hour), 5)
	const path = "/v1/admin/cursors/orders/n?principal=user%3Atest%3Au"
	for range 2 { // the second time there is nothing to remove
		if status, _, body := in.do(http.MethodDelete, path, op, ""); status != http.StatusNoContent {
			t.Fatalf("got %d %s", status, body)
		}
	}
	if m := holder.until("unsubscribed"); m.str("reason") != "superseded" {
		t.Errorf("the holder is told %v", m)
	}
	if all, _ := in.cursors(op, ""); len(all) != 0 {
		t.Errorf("shown is %+v", all)
	}
	in.do(http.MethodPut, "/v1/admin/cursors/orders/n", op, `{"principal":"user:test:u","from":"earliest"}`, "Content-Type", "application/json")
	// No principal has such a key, which would fill the audit.
	status, head, body := in.do(http.MethodDelete, "/v1/admin/cursors/orders/n?principal=user%3Atest%3A"+strings.Repeat("x", 8<<10), op, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	status, head, body = in.do(http.MethodDelete, "/v1/admin/cursors/orders/n", op, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	if err := in.stop(); err != nil {
		t.Fatal(err)
	}
	a.stop()
	var acts []message
	for _, m := range a.events(t) {
		if strings.HasPrefix(m.str("route"), "DELETE") || strings.HasPrefix(m.str("route"), "PUT") {
			acts = append(acts, m)
		}
	}
	const route = "route=DELETE /v1/admin/cursors/{stream}/{name}"
	const of = " target_principal=user:test:u stream=orders cursor_name=n operator=user:test:op"
	same(t, told(acts, "code", "action", "route", "status", "target_principal", "stream", "cursor_name", "moved_to", "operator"),
		"administered "+route+" status=204"+of, "administered "+route+" status=204"+of,
		"refused code=cursor_lost action=administer route=PUT /v1/admin/cursors/{stream}/{name} stream=orders",
		"refused code=bad_request action=administer "+route+" stream=orders",
		"refused code=bad_request action=administer "+route+" stream=orders")
}

// TestCursorsOfATenant: an operator with a tenant sees and moves those of its tenant only.
func TestCursorsOfATenant(t *testing.T) {
	t.Parallel()
	in := startTenants(t, auth.Tenancy{Claim: "tenant"}, options{config: func(c *transport.Config) {
		c.Auth = must(auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants:  []auth.Grant{{Subscribe: []string{"*"}, Replay: auth.ReplayUnlimited}, {When: map[string]string{"sub": "op"}, Admin: true}},
			Tenancy: auth.Tenancy{Claim: "tenant"},
		}))
	}})
	for _, tenant := range []string{"a", "b"} {
		in.topics.Append(tenant+".orders", record.Record{Value: []byte("1")})
		in.stores("n-"+tenant, tenantToken(t, "u", tenant), 1)
	}
	op := tenantToken(t, "op", "a")
	all, _ := in.cursors(op, "")
	if len(all) != 1 || all[0].Tenant != "a" || all[0].Principal != "tenant:a:user:test:u" || all[0].Lag == nil {
		t.Fatalf("got %+v", all)
	}
	if all, _ := in.cursors(tenantToken(t, "op", ""), ""); len(all) != 2 {
		t.Errorf("who has no tenant sees %+v", all)
	}
	for tenant, want := range map[string]int{"a": http.StatusOK, "b": http.StatusForbidden} {
		body := fmt.Sprintf(`{"principal":"tenant:%s:user:test:u","from":"earliest"}`, tenant)
		if status, _, answer := in.do(http.MethodPut, "/v1/admin/cursors/orders/n-"+tenant, op, body, "Content-Type", "application/json"); status != want {
			t.Errorf("%s: got %d %s", tenant, status, answer)
		}
	}
	if status, _, answer := in.do(http.MethodDelete, "/v1/admin/cursors/orders/n-b?principal=tenant%3Ab%3Auser%3Atest%3Au", op, ""); status != http.StatusForbidden {
		t.Errorf("got %d %s", status, answer)
	}
}
