package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// put stores a named cursor.
func put(ctx context.Context, t *testing.T, i *instance, bearer, stream, name, cursor string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"cursor": cursor})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprintf("http://%s/v1/cursors/%s/%s", i.addr, stream, name), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("PUT of a cursor is answered %s", response.Status)
	}
}

// acker is a session with a named cursor in a topic of one partition, which acks
// each cursor that it receives.
type acker struct {
	session *clients.Session
	done    chan struct{}

	mu      sync.Mutex
	first   int64         // offset of the first record
	next    int64         // after the last record
	sent    int64         // after the last record whose ack was sent
	acked   int64         // after the last record whose ack was confirmed
	waiting []sentAck     // acks without an answer; answers arrive in order
	last    string        // cursor that was acked last
	slowest time.Duration // the slowest answer
	refused int
	oddly   []string // answers that are neither
}

// sentAck is an ack in flight for everything before an offset.
type sentAck struct {
	at    int64
	begun time.Time
}

// startAcker subscribes by name, from the stored cursor or, if there is none, from
// the beginning.
func startAcker(ctx context.Context, t *testing.T, i *instance, stream, name string) *acker {
	t.Helper()
	session, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: i.addr, Token: token(t, "acker", "reader")})
	if err != nil {
		t.Fatal(err)
	}
	a := &acker{session: session, done: make(chan struct{}), first: -1}
	if err := session.Send(ctx, map[string]any{"type": "subscribe", "id": "a", "stream": stream, "cursor_name": name, "from": "earliest"}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.done)
		for {
			text, err := session.Next(ctx)
			if err != nil {
				return
			}
			if m, ok := clients.Parse(text); ok {
				a.take(ctx, &m, string(text))
			}
		}
	}()
	t.Cleanup(a.end)
	return a
}

func (a *acker) take(ctx context.Context, m *clients.Message, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch m.Kind {
	case "event":
		if a.first < 0 {
			a.first = m.Offset
		} else if m.Offset != a.next {
			a.oddly = append(a.oddly, fmt.Sprintf("record %d instead of %d", m.Offset, a.next))
		}
		a.next = m.Offset + 1
	case "cursor", "caught_up":
		cursor := string([]byte(m.Cursor))
		if cursor == a.last || a.first < 0 {
			return
		}
		a.waiting = append(a.waiting, sentAck{a.next, time.Now()})
		a.sent, a.last = a.next, cursor
		_ = a.session.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": cursor})
	case "acked":
		a.answered(true)
	case "error":
		if m.Code != "overloaded" || !m.Retryable {
			a.oddly = append(a.oddly, text)
			return
		}
		a.refused++
		a.answered(false)
	case "closing", "unsubscribed":
		a.oddly = append(a.oddly, text)
	}
}

// answered records an answer to the oldest unanswered ack.
func (a *acker) answered(stored bool) {
	if len(a.waiting) == 0 {
		a.oddly = append(a.oddly, "an answer to no ack")
		return
	}
	oldest := a.waiting[0]
	a.waiting = a.waiting[1:]
	a.slowest = max(a.slowest, time.Since(oldest.begun))
	if stored {
		a.acked = max(a.acked, oldest.at)
	}
}

func (a *acker) end() {
	a.session.Close()
	<-a.done
}

// awaitAck waits until a record received from now on is acked.
func (a *acker) awaitAck(ctx context.Context, t *testing.T) {
	t.Helper()
	a.mu.Lock()
	from := a.next
	a.mu.Unlock()
	eventually(ctx, t, "an ack is stored", func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.acked <= from {
			return fmt.Errorf("acked up to %d, received up to %d, refused %d times, %v", a.acked, a.next, a.refused, a.oddly)
		}
		return nil
	})
}

// awaitRefusal waits until an ack was refused.
func (a *acker) awaitRefusal(ctx context.Context, t *testing.T) {
	t.Helper()
	eventually(ctx, t, "an ack is refused", func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.refused == 0 {
			return fmt.Errorf("none was: acked up to %d, received up to %d", a.acked, a.next)
		}
		return nil
	})
}

// succeeded checks that another session with the name resumes where acks were: not
// before the last confirmed ack, and not after the last one sent.
func (a *acker) succeeded(ctx context.Context, t *testing.T, i *instance, stream, name string) *acker {
	t.Helper()
	a.end()
	next := startAcker(ctx, t, i, stream, name)
	next.awaitAck(ctx, t)
	a.mu.Lock()
	next.mu.Lock()
	defer a.mu.Unlock()
	defer next.mu.Unlock()
	t.Logf("acked up to %d, sent up to %d, resumed at %d", a.acked, a.sent, next.first)
	if next.first < a.acked || next.first > a.sent {
		t.Errorf("%s resumes at %d, want %d to %d", name, next.first, a.acked, a.sent)
	}
	if len(a.oddly) > 0 {
		t.Errorf("%s was told %v", name, a.oddly)
	}
	return next
}

// TestRedisFailsAndNothingIsSkipped is about promises 4 and 6.
func TestRedisFailsAndNothingIsSkipped(t *testing.T) {
	threeBrokers(t)
	t.Parallel()
	// Other tests use the shared Redis in the meantime.
	own, err := stack.Start(t.Context(), stack.Options{Redis: stack.RedisOptions{Mode: stack.RedisSingle}})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	redis := own.Redis.Nodes[0]
	topic(t, "acks", 1)
	i := sluice(t, setup{streams: map[string]string{"early": "acks"}, redis: own.Redis})
	ctx := within(t, 90*time.Second)
	flow := startFlow(ctx, t, "acks", 50)
	live := gather(ctx, t, 2, "early", 1, flow, i)
	live.await(ctx, t, 50)
	bearer := token(t, "acker", "reader")

	holder := startAcker(ctx, t, i, "early", "kept")
	gone := startAcker(ctx, t, i, "early", "gone")
	holder.awaitAck(ctx, t)
	gone.awaitAck(ctx, t)
	gone.end()

	// Redis hangs.
	live.takeLag()
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Resume() })
	hung := time.Now()
	answer := subscribeOnce(ctx, t, i, bearer, map[string]any{"cursor_name": "gone"})
	if answer.Get("code").Str != "overloaded" || !answer.Get("retryable").Bool() {
		t.Errorf("while Redis hangs, a subscription under a name is answered %s", answer.Raw)
	}
	t.Logf("while Redis hung, a subscription under a name was refused after %v", time.Since(hung))
	pause(ctx, time.Until(hung.Add(5*time.Second)))
	holder.awaitRefusal(ctx, t)
	if err := redis.Resume(); err != nil {
		t.Fatal(err)
	}
	holder.mu.Lock()
	refused, slowest := holder.refused, holder.slowest
	holder.mu.Unlock()
	t.Logf("while Redis hung: %d acks refused, the slowest answer took %v; lag of live delivery %v", refused, slowest, live.takeLag())
	holder.awaitAck(ctx, t)
	holder = holder.succeeded(ctx, t, i, "early", "kept")

	// Redis dies, and comes back empty.
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	answer = subscribeOnce(ctx, t, i, bearer, map[string]any{"cursor_name": "gone"})
	if answer.Get("code").Str != "overloaded" || !answer.Get("retryable").Bool() {
		t.Errorf("without Redis, a subscription under a name is answered %s", answer.Raw)
	}
	if answer := subscribeOnce(ctx, t, i, bearer, nil); answer.Get("type").Str != "subscribed" {
		t.Errorf("without Redis, a subscription is answered %s", answer.Raw)
	}
	if err := i.ready(ctx); err != nil {
		t.Errorf("without Redis, readyz answers %v", err)
	}
	pause(ctx, time.Until(killed.Add(3*time.Second)))
	holder.awaitRefusal(ctx, t)
	if err := redis.Start(ctx); err != nil {
		t.Fatal(err)
	}
	holder.awaitAck(ctx, t)
	holder = holder.succeeded(ctx, t, i, "early", "kept")
	holder.end()

	if answer := subscribeOnce(ctx, t, i, bearer, map[string]any{"cursor_name": "gone"}); answer.Get("code").Str != "cursor_lost" {
		t.Errorf("under a name that Redis has lost, and without from, a subscription is answered %s", answer.Raw)
	}
	if _, err := get(ctx, "http://"+i.addr+"/v1/cursors/early/gone", bearer); !answers(err, http.StatusGone, "cursor_lost") {
		t.Errorf("GET of a lost cursor is answered %v", err)
	}
	again := startAcker(ctx, t, i, "early", "gone")
	again.awaitAck(ctx, t)
	again.mu.Lock()
	if again.first != 0 {
		t.Errorf("under a lost name, from earliest begins at %d", again.first)
	}
	again.mu.Unlock()
	again.end()

	flow.end()
	t.Logf("lag of live delivery over all: %v", live.takeLag())
	writeEnds(ctx, t, "acks", 1)
	log := readLog(ctx, t, "acks", 1).Log
	live.running.Wait()
	judge(t, log, live.subscribers())
	live.stayed(t)
}
