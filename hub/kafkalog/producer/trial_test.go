package producer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// TestOnlyAStoredRecordIsRecovery: a broker with too few replicas answers
// everything but stores nothing. The partition is away until a record is stored.
// Meanwhile the messages of one call at a time are tried, and those of other
// calls fail without waiting.
func TestOnlyAStoredRecordIsRecovery(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	var log logLines
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.FailAfter, c.RequestTimeout = 200*time.Millisecond, 10*time.Second
	})
	said := func(text string) int { return strings.Count(log.String(), text) }
	const away, again = "partition unavailable for writes", "partition available for writes again"
	refused := func(what string, s upstream.Stored) {
		t.Helper()
		if !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
			t.Fatalf("%s: %v, want unavailable", what, s.Err)
		}
	}
	fault := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	refused("the first", produce(t, p, "t", message("first"))[0])
	for trials := fault.Hits(); fault.Hits() < trials+5; time.Sleep(time.Millisecond) {
		refused("with too few replicas", produce(t, p, "t", message("more"))[0])
	}
	if said(away) != 1 || said(again) != 0 {
		t.Errorf("the log says %d times that it is away, %d times that it is back:\n%s", said(away), said(again), log.String())
	}

	var sent atomic.Int64
	held, release := make(chan struct{}), make(chan struct{})
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if sent.Add(1) == 1 {
			k.SleepControl(func() {
				close(held)
				<-release
			})
		}
		return nil, nil, false
	})
	var trial <-chan []upstream.Stored
	for trying := true; trying; {
		trial = begin(t.Context(), p, "t", message("a trial"))
		select {
		case <-held:
			trying = false
		case stored := <-trial:
			refused("between two trials", stored[0])
			time.Sleep(time.Millisecond)
		}
	}
	for n := range 100 {
		refused("beside a trial", produce(t, p, "t", message(fmt.Sprint(n)))[0])
	}
	if n := sent.Load(); n != 1 {
		t.Errorf("%d requests were sent, want the one that is held", n)
	}
	close(release)
	refused("the trial", await(t, trial)[0])

	fault.Remove()
	for produce(t, p, "t", message("again"))[0].Err != nil {
		if t.Context().Err() != nil {
			t.Fatal("nothing is stored with enough replicas")
		}
		time.Sleep(time.Millisecond)
	}
	if said(away) != 1 || said(again) != 1 {
		t.Errorf("the log says %d times that it was away, %d times that it is back:\n%s", said(away), said(again), log.String())
	}
}

// TestATrialOfALargeCallGoesOn: a broker's rejection of some records of a trial
// does not end the trial.
func TestATrialOfALargeCallGoesOn(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.FailAfter = 2 * time.Second })
	fault := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	if s := produce(t, p, "t", message("first"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Fatalf("the first: %v, want unavailable", s.Err)
	}
	fault.Remove()
	large := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge})
	unsequenced := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber})
	for {
		stored := produce(t, p, "t", message("one"), message("two"), message("three"), message("four"))
		if large.Hits() == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond) // the trial had not begun
			continue
		}
		for _, s := range stored {
			if s.Err != nil {
				t.Errorf("a record of the trial: %v", s.Err)
			}
		}
		break
	}
	if unsequenced.Hits() != 1 {
		t.Error("the fault of the sequence did not strike")
	}
}

// TestRecordsWithoutAKeyGoWhereTheyAreStored: records without a key are tried
// only rarely on a partition that is away.
func TestRecordsWithoutAKeyGoWhereTheyAreStored(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(2, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.FailAfter = 2 * time.Second })
	without := func() upstream.Stored { return produce(t, p, "t", upstream.Message{Value: []byte("v")})[0] }
	// Both partitions are known to work, as the first records may take long on a busy machine.
	for stored := map[int32]bool{}; len(stored) < 2; {
		if s := without(); s.Err == nil {
			stored[s.Partition] = true
		}
		if t.Context().Err() != nil {
			t.Fatal("not all partitions take records")
		}
	}
	fault := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Partitions: []int32{0}, Err: kerr.NotEnoughReplicas, Count: -1})
	for without().Err == nil {
		if t.Context().Err() != nil {
			t.Fatal("partition 0 never fails")
		}
	}
	began, failed := time.Now(), 0
	for range 200 {
		if without().Err != nil {
			failed++
		}
	}
	if now := 1 + int(time.Since(began)/(5*time.Second)); failed > now {
		t.Errorf("%d of 200 failed, want %d at most", failed, now)
	}
	fault.Remove()
	for without().Partition != 0 {
		if t.Context().Err() != nil {
			t.Fatal("partition 0 is never tried again")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
