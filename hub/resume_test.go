package hub_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

func cursorOf(t *testing.T, r *reader) hub.Start {
	t.Helper()
	c, err := record.ParseCursor(r.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	at, _ := c.Position("orders")
	return hub.Start{Kind: hub.StartCursor, Position: at, At: c.At}
}

// readAddedPartition returns a subscription that has read ten records of a partition
// that was added after the stream began.
func readAddedPartition(t *testing.T, topics *hubtest.Topics, source upstream.Source) (*hub.Hub, *reader) {
	t.Helper()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.Source = source })
	r := subscribe(t, h, hub.Request{})
	topics.Grow("orders.v1", 2)
	for n := range 10 {
		topics.Append("orders.v1", numbered(1, n))
	}
	r.collect(t, 10)
	return h, r
}

// TestResumeInPartitionsAddedSince: in a partition that was added after the stream
// began, a client resumes where it was, not at the beginning.
func TestResumeInPartitionsAddedSince(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	h, r := readAddedPartition(t, topics, topics)
	defer r.Close()
	topics.Away(true)
	if s, _, err := h.Subscribe(t.Context(), hub.Request{Stream: "orders", Start: cursorOf(t, r), Replay: -1, Owner: r.bell}); err == nil {
		s.Close()
		t.Error("with Kafka away nothing says whether the partition is there")
	}
	topics.Away(false)
	resumed := subscribe(t, h, hub.Request{Start: cursorOf(t, r)})
	defer resumed.Close()
	topics.Append("orders.v1", numbered(1, 10))
	if got := resumed.collect(t, 1); len(got) != 1 || got[0].Offset != 10 {
		t.Errorf("got %+v, want offset 10", got)
	}
}

// remadeSource can report that a topic was recreated while its follower does not
// know that yet.
type remadeSource struct {
	*hubtest.Topics
	remade atomic.Bool
}

func (s *remadeSource) Topic(ctx context.Context, name string) (record.Topic, error) {
	if s.remade.Load() {
		return record.Topic{Name: name, ID: record.TopicID{99}, Partitions: 1}, nil
	}
	return s.Topics.Topic(ctx, name)
}

// TestResumeWhileTheTopicIsMadeAgain: while the stream still has the old topic, a
// client that resumes in a partition added to that topic continues where it was.
func TestResumeWhileTheTopicIsMadeAgain(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	source := &remadeSource{Topics: topics}
	h, r := readAddedPartition(t, topics, source)
	defer r.Close()
	source.remade.Store(true)
	resumed := subscribe(t, h, hub.Request{Start: cursorOf(t, r)})
	defer resumed.Close()
	topics.Append("orders.v1", numbered(1, 10))
	if got := resumed.collect(t, 1); len(got) != 1 || got[0].Offset != 10 {
		t.Errorf("got %+v, want offset 10", got)
	}
}

// TestCursorOfAnotherTopicIsBounded: a cursor of another topic, which anybody can
// forge, reads no further back than any other.
func TestCursorOfAnotherTopicIsBounded(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 60 {
		r := numbered(0, n)
		r.Timestamp = time.Now().Add(time.Duration(n-60) * time.Minute).UnixMilli()
		topics.Append("orders.v1", r)
	}
	h := startHub(t, topics, nil)
	forged := hub.Start{Kind: hub.StartCursor, Position: record.Position{Topic: record.TopicID{77}, Offsets: []record.PartitionOffset{{Offset: 1}}}}
	r := subscribe(t, h, hub.Request{Start: forged, Replay: 10*time.Minute + 30*time.Second})
	defer r.Close()
	got := r.collect(t, 12)
	if len(got) != 12 || got[0].Reason != "log_changed" || got[1].Reason != "policy" || got[1].To != 50 || got[2].Offset != 50 {
		t.Fatalf("got %d events, first %+v", len(got), got[:min(3, len(got))])
	}
}
