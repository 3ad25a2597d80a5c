package transport_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sluice/hub/record"
	"sluice/transport/client"
)

// TestTheClientFollowsAPattern: the Go client receives each record of all streams once,
// whose partitions and offsets are alike, over changes of the streams and reconnects.
func TestTheClientFollowsAPattern(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{}, "market.a", "market.b")
	c, err := client.New(client.Config{URL: in.url})
	if err != nil {
		t.Fatal(err)
	}
	sub := c.NewSubscription(client.Request{Stream: "market.*", From: client.Earliest})
	written := map[string]int{}
	write := func(stream string, n int) {
		in.publish(stream, 0, written[stream], written[stream]+n)
		written[stream] += n
	}
	next := map[string]int64{}
	var told []string
	// read reads until everything that was written has arrived.
	read := func() {
		t.Helper()
		for event, err := range sub.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			switch e := event.(type) {
			case client.Record:
				if e.Offset != next[e.Stream] {
					t.Fatalf("%s: got offset %d, want %d", e.Stream, e.Offset, next[e.Stream])
				}
				next[e.Stream]++
			case client.Subscribed:
				told = append(told, fmt.Sprint(e.Streams))
			case client.Streams:
				told = append(told, fmt.Sprintf("+%v -%v", e.Added, e.Removed))
			case client.Gap, client.Disconnected:
				t.Fatalf("got %+v", e)
			}
			done := true
			for stream, n := range written {
				done = done && next[stream] == int64(n)
			}
			if done {
				return
			}
		}
	}
	write("market.a", 3)
	write("market.b", 5)
	read()
	write("market.b", 2)
	read() // another connection, from what was seen
	in.topics.Create("market.c", 1)
	write("market.c", 2)
	write("market.a", 1)
	force("market.a", "market.b", "market.c")
	read()
	write("market.c", 1)
	force("market.a!", "market.c")
	write("market.a", 2)
	read()
	if want := []string{"[market.a market.b]", "[market.a market.b]", "[market.a market.b market.c]", "[market.a market.c]"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	// Changes of an open connection.
	seen := 0
	for event, err := range sub.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case client.CaughtUp:
			force("market.a", "market.b", "market.c")
			write("market.a", 1)
			written["market.b"] = int(next["market.b"])
			write("market.b", 1)
		case client.Record:
			if e.Offset != next[e.Stream] && e.Stream != "market.b" {
				t.Fatalf("%s: got offset %d, want %d", e.Stream, e.Offset, next[e.Stream])
			}
			next[e.Stream] = e.Offset + 1
			seen++
		}
		if next["market.a"] == int64(written["market.a"]) && next["market.b"] == int64(written["market.b"]) && seen > 0 {
			break
		}
	}
}

// TestTheClientKeepsTheStartOfAPattern: a stream that joins after the Go client has
// reconnected begins where the request says.
func TestTheClientKeepsTheStartOfAPattern(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]int64{client.Earliest: 0, client.Latest: 2} {
		in, force := configured(t, options{}, "market.a")
		c, err := client.New(client.Config{URL: in.url})
		if err != nil {
			t.Fatal(err)
		}
		sub := c.NewSubscription(client.Request{Stream: "market.*", From: from})
		for event, err := range sub.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := event.(client.CaughtUp); ok {
				break
			}
		}
		in.topics.Create("market.b", 1)
		for offset := range 2 {
			in.topics.Append("market.b", record.Record{Value: fmt.Appendf(nil, `{"n":%d}`, offset), Timestamp: time.Now().Add(-time.Hour).UnixMilli()})
		}
	events:
		for event, err := range sub.Events(t.Context()) { // another connection
			if err != nil {
				t.Fatal(err)
			}
			switch e := event.(type) {
			case client.CaughtUp:
				time.Sleep(2 * time.Millisecond)
				force("market.a", "market.b")
			case client.Streams:
				in.publish("market.b", 0, 2, 3)
			case client.Record:
				if e.Stream != "market.b" || e.Offset != want {
					t.Errorf("%s: got %s %d, want offset %d", from, e.Stream, e.Offset, want)
				}
				break events
			}
		}
	}
}
