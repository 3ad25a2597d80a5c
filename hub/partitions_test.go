package hub_test

import (
	"errors"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestPartitionsThatTheTopicDoesNotHaveAreNotKept: a client that sends cursors with
// different invented partitions must not make what is stored under a name grow.
func TestPartitionsThatTheTopicDoesNotHaveAreNotKept(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	topics.Append("orders.v1", numbered(0, 0))
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	all := func(id record.TopicID, offset int64, epoch int32) record.Position {
		at := record.Position{Topic: id}
		for p := range int32(1000) {
			place := record.PartitionOffset{Partition: p, Epoch: epoch}
			if p > 1 {
				place.Offset = offset
			}
			at.Offsets = append(at.Offsets, place)
		}
		return at
	}
	want := func(what string, at record.Position, err error) {
		t.Helper()
		if err != nil || len(at.Offsets) != 2 || at.Offsets[1].Partition != 1 {
			t.Errorf("%s: want the two partitions of the topic, got %d places, %v", what, len(at.Offsets), err)
		}
	}
	vouch := func(at record.Position) (record.Position, error) {
		return h.Vouch(t.Context(), "", record.StreamPosition{Stream: "orders", Position: at})
	}
	other := record.TopicID{9, 9}
	at, err := vouch(all(other, 5, 0))
	want("set, of another topic, while the stream is not read", at, err)

	sub := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
	defer sub.Close()
	sub.collect(t, 1)
	id := sub.Position().Topic
	for what, epoch := range map[string]int32{"with epochs": 0, "without": -1} {
		ack, err := sub.Ack(all(id, 0, epoch), time.Now())
		want("ack "+what, ack.Position, err)
		ack, err = sub.Ack(all(other, 5, epoch), time.Now())
		want("ack of another topic "+what, ack.Position, err)
		at, err = vouch(all(other, 5, epoch))
		want("set, of another topic "+what, at, err)
	}
	at, err = vouch(all(id, 5, 0))
	want("set with epochs", at, err)
	if _, err := vouch(all(id, 5, -1)); !errors.Is(err, record.ErrBadCursor) {
		t.Errorf("what was seen of partitions that are not there: got %v", err)
	}
	// A partition that was added since is kept.
	topics.Grow("orders.v1", 3)
	if at, err = vouch(all(id, 5, 0)); err != nil || len(at.Offsets) != 3 {
		t.Errorf("after a partition was added: got %d places, %v", len(at.Offsets), err)
	}
}
