package hub_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestLookingTakesTurns: a subscription that searches many records for few lets
// others have their turn meanwhile, in the log, before the log, and with a position
// of its own, and finds all of them.
func TestLookingTakesTurns(t *testing.T) {
	t.Parallel()
	const records = 60_000
	for name, c := range map[string]struct {
		logBytes int
		ahead    bool // in one partition
	}{
		"in the log":        {64 << 20, false},
		"in front of it":    {64 << 10, false},
		"from somewhere":    {64 << 20, true},
		"from far and wide": {64 << 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 2)
			h := startHubWith(t, topics, func(s *hub.Stream) { s.LogBytes = c.logBytes }, func(c *hub.Config) { c.LateMemory = 64 << 20 })
			keep := subscribe(t, h, hub.Request{})
			defer keep.Close()
			for i := range records {
				key := "much"
				if i%(records/4) == 100 {
					key = "little"
				}
				topics.Append("orders.v1", record.Record{Partition: int32(i % 2), Key: []byte(key), Value: fmt.Appendf(nil, "%d", i)})
			}
			for got := 0; got < records; {
				n := len(keep.collect(t, 1000))
				if got += n; n == 0 {
					t.Fatalf("only %d records came", got)
				}
			}
			start := hub.Start{Kind: hub.StartEarliest}
			if c.ahead {
				from := keep.Position().Clone()
				from.Offsets[0].Offset, from.Offsets[0].Epoch = 0, -1
				start = hub.Start{Kind: hub.StartCursor, Position: from}
			}
			// The first subscription has the blocks read, the others find them
			// cached.
			for round := range 3 {
				r := subscribe(t, h, hub.Request{Start: start, Keys: []string{"little", fmt.Sprint(round)}})
				calls, found := 0, 0
				for end := time.Now().Add(time.Minute); !r.AtTip(); calls++ {
					more := r.Collect(100, func(bool, []byte) { found++ })
					if time.Now().After(end) {
						t.Fatal("it does not come to the tip")
					}
					if !more && !r.AtTip() {
						time.Sleep(time.Millisecond)
					}
				}
				r.Close()
				if calls < 2 || found != 4 {
					t.Errorf("round %d: %d calls found %d records, want several and 4", round, calls, found)
				}
			}
		})
	}
}
