package hub_test

import (
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
