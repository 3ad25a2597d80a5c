package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/clients"
)

// fill writes numbered records into a topic with a plain Kafka client.
func fill(ctx context.Context, t *testing.T, topic string, from, to int) {
	t.Helper()
	client := kafkaClient(t, kgo.DefaultProduceTopic(topic))
	var records []*kgo.Record
	for n := from; n < to; n++ {
		records = append(records, &kgo.Record{Key: fmt.Append(nil, n), Value: fmt.Appendf(nil, `{"n":%d}`, n)})
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// until reads messages up to one of a kind, and returns it with the numbers of the
// records received before it.
func until(ctx context.Context, t *testing.T, s *clients.Session, kind string) (last string, numbers map[int]int) {
	t.Helper()
	numbers = make(map[int]int)
	for {
		text, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		message := gjson.ParseBytes(text)
		switch message.Get("type").Str {
		case kind:
			return string(text), numbers
		case "event":
			numbers[int(message.Get("data.n").Int())]++
		case "error", "closing", "unsubscribed":
			t.Fatalf("waiting for %s: %s", kind, text)
		}
	}
}

// TestNamedCursorMovesToAnotherInstance is about promises 4 and 5: a name must be
// resumed where it was acked, and its previous holder must be notified and must not
// be able to move it any more.
func TestNamedCursorMovesToAnotherInstance(t *testing.T) {
	t.Parallel()
	topic(t, "named", 2)
	config := setup{streams: map[string]string{"named": "named"}}
	first, second := sluice(t, config), sluice(t, config)
	ctx := within(t, time.Minute)
	fill(ctx, t, "named", 0, 100)
	bearer := token(t, "mobile", "reader")
	subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": "named", "cursor_name": "phone", "from": "earliest"}

	old, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: first.addr, Token: bearer})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := old.Send(ctx, subscribe); err != nil {
		t.Fatal(err)
	}
	caughtUp, numbers := until(ctx, t, old, "caught_up")
	exactly(t, numbers, 0, 100)
	cursor := gjson.Get(caughtUp, "cursor").Str
	if err := old.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": cursor}); err != nil {
		t.Fatal(err)
	}
	if acked, _ := until(ctx, t, old, "acked"); gjson.Get(acked, "cursor").Str != cursor {
		t.Errorf("the answer to an ack is %s", acked)
	}

	// These are delivered but not acked.
	fill(ctx, t, "named", 100, 150)
	later, numbers := until(ctx, t, old, "cursor")
	for len(numbers) < 50 {
		var more map[int]int
		later, more = until(ctx, t, old, "cursor")
		for n, times := range more {
			numbers[n] += times
		}
	}
	exactly(t, numbers, 100, 150)

	// Another principal's cursor of that name is a different cursor.
	if _, err := get(ctx, "http://"+second.addr+"/v1/cursors/named/phone", token(t, "somebody", "reader")); err == nil {
		t.Error("another principal sees the cursor")
	}

	taker, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: second.addr, Token: bearer})
	if err != nil {
		t.Fatal(err)
	}
	defer taker.Close()
	if err := taker.Send(ctx, subscribe); err != nil {
		t.Fatal(err)
	}
	_, numbers = until(ctx, t, taker, "caught_up")
	exactly(t, numbers, 100, 150)

	// The previous holder must be notified, and its late ack must not move the
	// cursor.
	told := superseded(ctx, t, old)
	if !told {
		t.Error("the older subscription was not told that it is superseded")
	}
	_ = old.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": gjson.Get(later, "cursor").Str})
	for {
		text, err := old.Next(ctx)
		if err != nil {
			break // closed, which is an answer too
		}
		kind := gjson.GetBytes(text, "type").Str
		if kind == "acked" {
			t.Errorf("a superseded subscription acks: %s", text)
		}
		if kind == "error" || kind == "acked" {
			break
		}
	}
	again, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: first.addr, Token: bearer})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Send(ctx, subscribe); err != nil {
		t.Fatal(err)
	}
	_, numbers = until(ctx, t, again, "caught_up")
	exactly(t, numbers, 100, 150)
	again.Close()

	// The cursor can be read and deleted.
	address := "http://" + second.addr + "/v1/cursors/named/phone"
	body, err := get(ctx, address, bearer)
	if err != nil || gjson.Get(body, "cursor").Str == "" {
		t.Errorf("GET of the cursor: %q, %v", body, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Errorf("DELETE of the cursor is answered %s", response.Status)
	}
	lost, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: second.addr, Token: bearer})
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	if err := lost.Send(ctx, map[string]any{"type": "subscribe", "id": "a", "stream": "named", "cursor_name": "phone"}); err != nil {
		t.Fatal(err)
	}
	for {
		text, err := lost.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		answer := gjson.ParseBytes(text)
		if answer.Get("id").Str != "a" {
			continue
		}
		if answer.Get("type").Str != "error" || answer.Get("code").Str != "cursor_lost" {
			t.Errorf("a deleted name without from is answered %s", text)
		}
		return
	}
}

// superseded reads until the subscription ends because its name was taken over.
func superseded(ctx context.Context, t *testing.T, s *clients.Session) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		text, err := s.Next(ctx)
		if err != nil {
			return websocket.CloseStatus(err) == 4510
		}
		message := gjson.ParseBytes(text)
		if message.Get("type").Str == "unsubscribed" {
			return message.Get("reason").Str == "superseded"
		}
	}
}

// exactly checks that each number from lo to hi-1, and no other, was received once.
func exactly(t *testing.T, numbers map[int]int, lo, hi int) {
	t.Helper()
	for n, times := range numbers {
		if n < lo || n >= hi || times != 1 {
			t.Errorf("record %d came %d times, want %d to %d once each", n, times, lo, hi-1)
		}
	}
	if len(numbers) != hi-lo {
		t.Errorf("%d records came, want %d", len(numbers), hi-lo)
	}
}
