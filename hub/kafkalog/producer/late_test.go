package producer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// stopped is the context of a process that was stopped: its time is up, and no timer has said
// so.
type stopped struct {
	context.Context
	ends time.Time
}

func (c stopped) Deadline() (time.Time, bool) { return c.ends, true }

// TestNothingIsSentWhoseTimeIsUp: also if nothing has told the message so. What comes after it
// is stored.
func TestNothingIsSentWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), nil)
	if s := produce(t, p, "t", message("first")); s[0].Err != nil {
		t.Fatal(s[0].Err)
	}
	late := begin(stopped{t.Context(), time.Now().Add(-time.Millisecond)}, p, "t", message("late"))
	if s := await(t, late); !errors.Is(s[0].Err, upstream.ErrPublishUnavailable) || !errors.Is(s[0].Err, context.DeadlineExceeded) {
		t.Errorf("late: %v", s[0].Err)
	}
	if s := produce(t, p, "t", message("next")); s[0].Err != nil {
		t.Fatal(s[0].Err)
	}
	var got []string
	for _, r := range logOf(t, k.Cluster, "t") {
		got = append(got, string(r.Value))
	}
	if !slices.Equal(got, []string{"first", "next"}) {
		t.Errorf("stored %q", got)
	}
}

// TestNothingLostIsSentAgainWhoseTimeIsUp: what may be stored is not sent again then, if nobody
// waits for anything that was sent with it.
func TestNothingLostIsSentAgainWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.RequestTimeout, c.FailAfter = 6*time.Second, time.Minute })
	if s := produce(t, p, "t", message("first")); s[0].Err != nil {
		t.Fatal(s[0].Err)
	}
	k.fail(slices.Repeat([]networkFault{faultLoseRequest}, 1000)...)
	lost := begin(stopped{t.Context(), time.Now().Add(5 * time.Second)}, p, "t", message("lost"))
	if s := await(t, lost); !errors.Is(s[0].Err, upstream.ErrPublishUnknown) {
		t.Errorf("lost: %v", s[0].Err)
	}
	k.mu.Lock()
	k.faults = nil
	k.mu.Unlock()
	if s := produce(t, p, "t", message("next")); s[0].Err != nil {
		t.Fatal(s[0].Err)
	}
	var got []string
	for _, r := range logOf(t, k.Cluster, "t") {
		got = append(got, string(r.Value))
	}
	if !slices.Equal(got, []string{"first", "next"}) {
		t.Errorf("stored %q", got)
	}
}
