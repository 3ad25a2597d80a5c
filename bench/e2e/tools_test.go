package e2e_test

import (
	"slices"
	"testing"
	"time"
)

// TestPlainClientsAgree is about the tests' own tools: two independent clients must
// read what the writers write.
func TestPlainClientsAgree(t *testing.T) {
	t.Parallel()
	const partitions = 3
	work := writers{topic: "tools", span: time.Second, perCodec: 400, kcat: 100, committed: 500, aborted: 250}
	topic(t, work.topic, partitions)
	ctx := within(t, time.Minute)
	if err := work.run(ctx, t); err != nil {
		t.Fatal(err)
	}
	writeEnds(ctx, t, work.topic, partitions)
	contents := readLog(ctx, t, work.topic, partitions)
	if contents.Visible != work.total() || contents.Aborted != work.aborted {
		t.Errorf("%d visible and %d aborted records, want %d and %d", contents.Visible, contents.Aborted, work.total(), work.aborted)
	}
	for codec := range len(codecs) {
		if contents.Codecs[uint8(codec)] == 0 {
			t.Errorf("no record is compressed with codec %d", codec)
		}
	}
	other := kcatLog(ctx, t, work.topic, partitions)
	for p := range partitions {
		if !slices.Equal(contents.Log.Visible[p], other.Visible[p]) {
			t.Errorf("partition %d: kcat reads something else", p)
		}
	}
}
