package hub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/upstream"
)

// A read that waits for what the instance has stored has it, and is held up by nothing that was
// stored longer ago than the limit.
func TestAfterStored(t *testing.T) {
	t.Parallel()
	const within = time.Second
	tests := map[string]struct {
		delay, idle, limit time.Duration
		hidden             bool // behind an open transaction
		waits              time.Duration
		has                int
	}{
		"read back later":              {300 * time.Millisecond, 0, within, false, 300 * time.Millisecond, 1},
		"read back already":            {300 * time.Millisecond, 400 * time.Millisecond, within, false, 0, 1},
		"not within the limit":         {time.Minute, 0, within, false, within, 0},
		"stored some time ago":         {time.Minute, within / 4, within, false, within - within/4, 0},
		"stored before the limit":      {time.Minute, 2 * within, within, false, 0, 0},
		"behind an open transaction":   {0, 0, within, true, within, 0},
		"longer than a start may take": {0, 0, time.Hour, true, time.Minute / 2, 0},
		"an instance that never waits": {300 * time.Millisecond, 0, 0, false, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				topics := hubtest.New()
				topics.Create("orders.v1", 1)
				for n := range 100 {
					topics.Append("orders.v1", numbered(0, n))
				}
				h := startHubWith(t, topics, nil, func(c *hub.Config) { c.StoredWithin = tt.limit })
				defer subscribe(t, h, hub.Request{}).Close() // the stream is being read
				synctest.Wait()
				topics.Hold(tt.delay > 0)
				arrives := time.AfterFunc(tt.delay, func() { topics.Hold(false) })
				defer arrives.Stop()
				topics.Transact("orders.v1", 0, tt.hidden)
				stored := make(chan int64, 1)
				err := h.Publish(t.Context(), "", "orders", []upstream.Message{{Value: []byte("1")}}, func(results []upstream.Stored) { stored <- results[0].Offset })
				if err != nil || <-stored != 100 {
					t.Fatal(err)
				}
				time.Sleep(tt.idle)

				began := time.Now()
				at := cursorFrom(t, topics, hub.StartOffset, 100)
				s := subscribe(t, h, hub.Request{Start: at, AfterStored: true})
				if waited := time.Since(began); waited != tt.waits {
					t.Errorf("began after %s, want %s", waited, tt.waits)
				}
				got := 0
				s.Collect(10, func(bool, []byte) { got++ })
				if got != tt.has || !s.AtTip() {
					t.Errorf("has %d records, want %d", got, tt.has)
				}
				s.Close()
			})
		})
	}
}

// lateAnswers is a producer whose first call is answered when the test says so.
type lateAnswers struct {
	*hubtest.Topics
	offset func(int64) int64 // what the first call is told
	first  chan func()
}

func (p *lateAnswers) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	late := p.first
	p.first = nil
	p.Topics.Produce(ctx, topic, messages, func(results []upstream.Stored) {
		if late == nil {
			done(results)
			return
		}
		late <- func() {
			results[0].Offset = p.offset(results[0].Offset)
			done(results)
		}
	})
}

// TestAfterStoredInAnyOrder: a read waits for what was stored last, although a publish before it,
// or one of which Kafka does not say where it is stored, is answered after it.
func TestAfterStoredInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, offset := range map[string]func(int64) int64{
		"answered late":       func(offset int64) int64 { return offset },
		"at an unknown place": func(int64) int64 { return -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				topics := hubtest.New()
				topics.Create("orders.v1", 1)
				first := make(chan func(), 1)
				producer := &lateAnswers{Topics: topics, offset: offset, first: first}
				h := startHubWith(t, topics, func(s *hub.Stream) { s.Producer = producer }, func(c *hub.Config) { c.StoredWithin = time.Second })
				defer subscribe(t, h, hub.Request{}).Close() // the stream is being read
				synctest.Wait()
				stored := make(chan int64, 1)
				publish := func() {
					err := h.Publish(t.Context(), "", "orders", []upstream.Message{{Value: []byte("1")}}, func(results []upstream.Stored) { stored <- results[0].Offset })
					if err != nil {
						t.Fatal(err)
					}
				}
				publish()
				answer := <-first
				synctest.Wait() // it is read back
				topics.Hold(true)
				arrives := time.AfterFunc(300*time.Millisecond, func() { topics.Hold(false) })
				defer arrives.Stop()
				publish()
				if at := <-stored; at != 1 {
					t.Fatalf("the second is stored at %d", at)
				}
				answer()
				<-stored

				s := subscribe(t, h, hub.Request{Start: cursorFrom(t, topics, hub.StartOffset, 1), AfterStored: true})
				defer s.Close()
				got := 0
				s.Collect(10, func(bool, []byte) { got++ })
				if got != 1 {
					t.Errorf("has %d records, want the second", got)
				}
			})
		})
	}
}
