package hub_test

import (
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// timed adds a record with a timestamp to a partition of two.
func timed(topics *hubtest.Topics, partition int32, at int64) {
	topics.AppendBatch("orders.v1", []record.Record{{Partition: partition, Value: []byte("1"), Timestamp: at}})
}

// TestLagOfASubscription: how old the oldest record is that a subscription has not been given,
// which may be in any partition, as long as the log has it.
func TestLagOfASubscription(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 3)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.Backfill = 0 }, nil)
	r := subscribe(t, h, hub.Request{})
	t.Cleanup(r.Close)
	now := time.UnixMilli(1_700_000_100_000)
	is := func(offsets, since int64) {
		t.Helper()
		lag := r.Whereabouts().Lag()
		for lag.Offsets < offsets {
			time.Sleep(time.Millisecond)
			lag = r.Whereabouts().Lag()
		}
		if !lag.OffsetsKnown || !lag.SinceKnown || lag.Offsets != offsets || lag.Since != since {
			t.Errorf("got %+v, want %d since %d", lag, offsets, since)
		}
		if age := lag.Age(now); since == 0 && age != 0 || since != 0 && age != now.Sub(time.UnixMilli(since)) {
			t.Errorf("its age is %v", age)
		}
	}
	is(0, 0)
	r.Pause()
	timed(topics, 1, 1_700_000_002_000)
	is(1, 1_700_000_002_000)
	timed(topics, 1, 1_700_000_003_000)
	timed(topics, 0, 1_700_000_001_000)
	is(3, 1_700_000_001_000)
	r.Resume(nil)
	for len(r.seen) < 3 {
		r.collect(t, 3)
	}
	lag := r.Whereabouts().Lag()
	if lag.Offsets != 0 || !lag.SinceKnown || lag.Age(now) != 0 {
		t.Errorf("it has everything, and is %+v behind", lag)
	}
	// A record from the future is a record that it does not have.
	r.Pause()
	timed(topics, 2, now.Add(time.Hour).UnixMilli())
	for r.Whereabouts().Lag().Offsets < 1 {
		time.Sleep(time.Millisecond)
	}
	if age := r.Whereabouts().Lag().Age(now); age != time.Millisecond {
		t.Errorf("of a record from the future: %v", age)
	}
}

// TestLagBelowTheLog: the age of a record that is in Kafka only is not known; of one that was
// read for a late subscription it is.
func TestLagBelowTheLog(t *testing.T) {
	t.Parallel()
	const each = 3000
	_, h := lateTopic(t, 2, each, nil)
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
	t.Cleanup(r.Close)
	lag := r.Whereabouts().Lag()
	if !lag.OffsetsKnown || lag.Offsets != 2*each || lag.SinceKnown {
		t.Errorf("before anything was read: %+v", lag)
	}
	r.collect(t, 1)
	first := r.Whereabouts().Lag()
	r.collect(t, 10) // a record a millisecond
	if lag = r.Whereabouts().Lag(); lag.Offsets != first.Offsets-10 || !first.SinceKnown || !lag.SinceKnown || lag.Since != first.Since+10 {
		t.Errorf("after one record: %+v, after ten more: %+v", first, lag)
	}
	r.collectAll(t, 2*each)
	if lag = r.Whereabouts().Lag(); lag.Offsets != 0 || !lag.SinceKnown || lag.Since != 0 {
		t.Errorf("it has everything, and is %+v behind", lag)
	}
}
