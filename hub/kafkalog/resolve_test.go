package kafkalog_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/upstream"
)

// TestTipsAreAskedBeforeATime: if no record has the time or a later one, reading
// begins at the tip as it was before the time was asked for. Otherwise records
// written between the two requests would be skipped.
func TestTipsAreAskedBeforeATime(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	var mu sync.Mutex
	var asked []int64
	f.kafka.ControlKey(2, func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp)
		return nil, nil, false
	})
	when := time.Now().Truncate(time.Millisecond)
	offsets, err := f.source.Offsets(t.Context(), f.topic("a"), upstream.At(when))
	if err != nil || len(offsets) != 1 || offsets[0].Offset != 0 {
		t.Fatalf("got %v, %v", offsets, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, []int64{-1, when.UnixMilli()}) {
		t.Errorf("asked for %d, want the tip, and then %d", asked, when.UnixMilli())
	}
}
