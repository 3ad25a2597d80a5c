package hub_test

import (
	"encoding/json"
	"testing"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestGapsOneAtATime: gaps that do not fit at once are each reported once, and the
// cursor does not pass them before that.
func TestGapsOneAtATime(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 3)
	fill(topics, 3, 5)
	h := startHub(t, topics, nil)
	old := record.Position{Topic: record.TopicID{99}, Offsets: []record.PartitionOffset{{Offset: 7}, {Partition: 1, Offset: 8}, {Partition: 2, Offset: 9}}}
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: old}})
	defer r.Close()
	for want := range 3 {
		if at := r.Position(); at.Topic != old.Topic {
			t.Errorf("with %d gaps told, the cursor leads: %+v", want, at)
		}
		n := 0
		r.Collect(1, func(isGap bool, body []byte) {
			var e seenEvent
			if err := json.Unmarshal(body, &e); err != nil || !isGap || int(e.Partition) != want {
				t.Errorf("got %s, want the gap of partition %d", body, want)
			}
			n++
		})
		if n != 1 {
			t.Fatalf("got %d events, want 1", n)
		}
	}
	if got := r.collect(t, 15); len(got) != 15 {
		t.Errorf("got %d records, want 15", len(got))
	}
}
