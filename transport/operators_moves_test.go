package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// putCursor stores a position of u under the name n, and returns the code of the refusal, empty
// if it is stored.
func (in *instance) putCursor(t *testing.T, tok, query, cursor string) string {
	in.t.Helper()
	status, head, body := in.do(http.MethodPut, "/v1/cursors/orders/n"+query, tok, fmt.Sprintf(`{"cursor":%q}`, cursor))
	if status == http.StatusOK {
		return ""
	}
	m := in.problem(t, status, head, body, http.StatusGone, "cursor_moved")
	if m.str("action") != "resync" || m["retryable"] != false {
		in.t.Errorf("got %s", body)
	}
	return m.str("code")
}

// movedTo checks what is stored of u under the name n.
func (in *instance) movedTo(offset int64) {
	in.t.Helper()
	if all, _ := in.cursors(operatorToken(in.t), ""); len(all) != 1 || all[0].offset(0) != offset {
		in.t.Errorf("want %d, shown is %+v", offset, all)
	}
}

// TestMovesOutlastWhatWasOnItsWay: a PUT of a position that was read before a move is refused,
// whenever it arrives and whatever has happened since, and one that was read after it is stored.
func TestMovesOutlastWhatWasOnItsWay(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 10)
	live := token(t, "u", "live", time.Hour)
	without := in.page("orders", "from=earliest", live).Cursor
	holder := in.dial("", live)
	holder.until("welcome")
	const subscribe = `{"type":"subscribe","id":"a","stream":"orders","from":"earliest","cursor_name":"n"}`
	holder.send(subscribe)
	begun := holder.until("subscribed").str("cursor")
	caught := holder.until("caught_up").str("cursor")
	if code := in.putCursor(t, live, "", begun+"~0:5"); code != "" {
		t.Fatalf("before the move: %s", code)
	}
	looked := in.page("orders", "cursor_name=n&limit=2", live).Cursor
	onward := in.page("orders", "limit=2&from="+looked, live).Cursor
	_, _, got := in.do(http.MethodGet, "/v1/cursors/orders/n", live, "")
	var before message
	if err := json.Unmarshal([]byte(got), &before); err != nil {
		t.Fatal(err)
	}
	moved := in.move("n", "offset:0:2")
	// It knows nothing of the move yet, as when Redis is away.
	late := []string{begun, caught, begun + "~0:9", looked, onward, before.str("cursor"), without}
	for range 2 {
		for i, cursor := range late {
			if code := in.putCursor(t, live, "", cursor); code != "cursor_moved" {
				t.Errorf("cursor %d is stored", i)
			}
		}
		in.movedTo(2)
		holder.until("unsubscribed")
		holder.send(subscribe) // what was on its way may come after this
		if m := holder.until("event"); m["offset"] != 2.0 {
			t.Errorf("it goes on at %v", m["offset"])
		}
		if m := holder.until("caught_up"); in.putCursor(t, live, "", m.str("cursor")) != "" {
			t.Error("what is read since the move is not stored")
		}
		in.movedTo(10)
		moved = in.move("n", "offset:0:2")
	}
	for _, cursor := range []string{moved.Cursor, in.page("orders", "limit=2&from="+moved.Cursor, live).Cursor, in.page("orders", "limit=4&cursor_name=n", live).Cursor} {
		if code := in.putCursor(t, live, "", cursor); code != "" {
			t.Errorf("%s, of what is read since the move", code)
		}
	}
	in.movedTo(6)
	in.move("n", "earliest")
	if code := in.putCursor(t, live, "?reset=true", begun+"~0:5"); code != "" {
		t.Errorf("with reset: %s", code)
	}
	in.movedTo(5)
}

// TestClientsThatWereAwayAreToldOfAMove: who comes back under a name with a position of its own
// from before a move is told as those that were there, and goes on at the new position without
// its own.
func TestClientsThatWereAwayAreToldOfAMove(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 10)
	live := token(t, "u", "live", time.Hour)
	s := in.dial("", live)
	s.until("welcome")
	subscribe := func(more string) { s.send(`{"type":"subscribe","id":"a","cursor_name":"n",%s}`, more) }
	leave := func() string {
		cursor := s.until("caught_up").str("cursor")
		s.send(`{"type":"ack","id":"a","cursor":%q}`, cursor)
		s.until("acked")
		s.send(`{"type":"unsubscribe","id":"a"}`)
		s.until("unsubscribed")
		return cursor
	}
	for stream, url := range map[string]string{"orders": "/v1/streams/orders/events?cursor_name=n", "ord*": "/v1/events?stream=ord*&cursor_name=n&from=latest"} {
		anew := fmt.Sprintf(`"stream":%q,"from":"earliest"`, stream)
		subscribe(anew)
		cursor := leave()
		in.move("n", "offset:0:4")
		subscribe(fmt.Sprintf(`"stream":%q,"from":"earliest","last_event_id":%q`, stream, cursor))
		if m := s.fails("a", "cursor_moved"); m.str("action") != "resync" {
			t.Errorf("got %v", m)
		}
		e := in.reads(url, live, "Last-Event-ID", cursor)
		// An EventSource forgets its position and begins with what its URL says.
		if closing := e.until("sluice.close"); closing.id != "" || closing.json(t).str("code") != "cursor_moved" || closing.json(t).str("action") != "resync" {
			t.Errorf("got %+v", closing)
		}
		if m := in.reads(url, live).until(""); m.json(t)["offset"] != 4.0 {
			t.Errorf("it begins with %v", m)
		}
		subscribe(anew)
		if m := s.until("event"); m["offset"] != 4.0 {
			t.Errorf("it begins at %v", m["offset"])
		}
		if cursor = leave(); stream == "ord*" {
			continue
		}
		subscribe(fmt.Sprintf(`"stream":%q,"from":%q,"reset":true`, stream, cursor))
		if m := s.until("subscribed"); m.str("start") != "cursor" {
			t.Errorf("with a position from after the move: %v", m)
		}
		cursor = leave()
		in.move("n", "offset:0:1")
		subscribe(fmt.Sprintf(`"stream":%q,"from":%q,"reset":true`, stream, cursor))
		s.fails("a", "cursor_moved")
		status, head, body := in.do(http.MethodGet, "/v1/streams/orders/records?cursor_name=n&reset=true&from="+cursor, live, "")
		in.problem(t, status, head, body, http.StatusGone, "cursor_moved")
		in.movedTo(1)
		subscribe(`"stream":"orders","from":"earliest","reset":true`) // it has no position
		if m := s.until("event"); m["offset"] != 0.0 {
			t.Errorf("it begins at %v", m["offset"])
		}
		leave()
	}
}

// TestPagesThatBeginAnewGoOnAfterAMove: a client that reads pages under a name, and has chosen to
// begin elsewhere than what is stored, goes on from there, although the last record of the stream
// is older than a move. If it had to begin anew, it would again.
func TestPagesThatBeginAnewGoOnAfterAMove(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 10)
	live := token(t, "u", "live", time.Hour)
	in.stores("n", live, 10)
	in.move("n", "offset:0:4")
	for _, from := range []string{"latest", "earliest", "last:3", "offset:0:10"} {
		cursor := in.page("orders", "cursor_name=n&reset=true&from="+from, live).Cursor
		for range 2 {
			next := in.page("orders", "cursor_name=n&reset=true&from="+cursor, live)
			if len(next.Records) > 0 || !next.CaughtUp {
				t.Errorf("after %s: got %+v", from, next)
			}
			cursor = next.Cursor
		}
		if code := in.putCursor(t, live, "", cursor); code != "" {
			t.Errorf("after %s: %s, of what is read since the move", from, code)
		}
	}
	in.movedTo(10)
	before := in.page("orders", "cursor_name=n&reset=true&from=latest", live).Cursor
	in.move("n", "offset:0:4")
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/records?cursor_name=n&reset=true&from="+before, live, "")
	in.problem(t, status, head, body, http.StatusGone, "cursor_moved")
}

// moveWhenTaken has an operator move the next name that is taken, just before, in partition 0.
func (in *instance) moveWhenTaken(to int64) {
	in.store.mu.Lock()
	defer in.store.mu.Unlock()
	in.store.taking = func(name cursors.Key) {
		in.store.taking = nil
		fence, at := in.store.next(), in.store.at[name].Position.Clone()
		at.Set(record.PartitionOffset{Offset: to})
		in.store.fences[name], in.store.moved[name] = fence, fence
		in.store.at[name] = cursors.Commit{Key: name, Ack: cursors.Ack{Position: at, At: time.Now()}}
	}
}

// TestAMoveBeforeTheNameIsTaken: a move that comes between the look at a name and its take counts.
func TestAMoveBeforeTheNameIsTaken(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 10)
	live := token(t, "u", "live", time.Hour)
	s := in.stores("n", live, 10)
	s.send(`{"type":"unsubscribe","id":"a"}`)
	cursor := s.until("unsubscribed").str("cursor")
	in.moveWhenTaken(3)
	s.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","reset":true,"from":%q}`, cursor)
	s.fails("a", "cursor_moved")
	s.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n"}`)
	if m := s.until("event"); m["offset"] != 3.0 {
		t.Errorf("it begins at %v", m["offset"])
	}
}

// TestAStreamThatComesBackMoved: a subscription by pattern ends with `moved` if a stream that comes
// back to it has been moved since it left.
func TestAStreamThatComesBackMoved(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{}, "market.a", "market.b")
	in.publish("market.a", 0, 0, 4)
	in.publish("market.b", 0, 0, 4)
	s := in.dial("", token(t, "u", "live", time.Hour))
	s.send(`{"type":"subscribe","id":"m","stream":"market.*","cursor_name":"n","from":"earliest"}`)
	s.send(`{"type":"ack","id":"m","cursor":%q}`, s.until("caught_up").str("cursor"))
	s.until("acked")
	in.moveWhenTaken(1)
	force("market.a", "market.b!") // it leaves, and comes back where it was
	if m := s.until("unsubscribed"); m.str("reason") != "moved" || m.str("id") != "m" {
		t.Errorf("got %v", m)
	}
}
