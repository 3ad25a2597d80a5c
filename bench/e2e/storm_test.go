package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
)

// TestNothingIsLostInAStorm is about promises 1 to 5: two hundred subscribers
// are cut off at random, most often in the middle of a frame, and resume on
// either of two instances, while clients that are not Sluice write with every
// codec and abort some of their transactions.
func TestNothingIsLostInAStorm(t *testing.T) {
	const (
		partitions  = 6
		subscribers = 100 // over each transport
		cuts        = 6   // about so many for each subscriber
	)
	work := writers{topic: "storm", span: 20 * time.Second, perCodec: 14_000, kcat: 2_000, committed: 20_000, aborted: 10_000}
	topic(t, work.topic, partitions)
	config := setup{streams: map[string]string{"storm": work.topic}}
	both := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 4*time.Minute)
	began := time.Now()

	var all []*subscriber
	for i := range subscribers {
		by := byCursor
		if i%3 == 1 {
			by = bySeen
		}
		all = append(all, newSubscriber(fmt.Sprintf("sse-%s-%d", by, i), overSSE, by, "storm", partitions))
	}
	for i := range subscribers {
		by := []resume{byCursor, bySeen, byName}[i%3]
		all = append(all, newSubscriber(fmt.Sprintf("ws-%s-%d", by, i), overWS, by, "storm", partitions))
	}
	var running sync.WaitGroup
	for _, s := range all {
		s.instances, s.token = both, token(t, s.name, "reader")
		s.cutEvery = float64(200*work.total()) / cuts
		running.Go(func() {
			if err := s.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	if err := work.run(ctx, t); err != nil {
		t.Fatal(err)
	}
	writeEnds(ctx, t, work.topic, partitions)
	wrote := time.Since(began)
	contents := readLog(ctx, t, work.topic, partitions)
	running.Wait()
	took := time.Since(began)

	if contents.visible != 100_000 || contents.aborted != work.aborted {
		t.Errorf("the topic has %d visible and %d aborted records, want %d and %d", contents.visible, contents.aborted, 100_000, work.aborted)
	}
	for codec := range len(codecs) {
		if contents.codecs[uint8(codec)] == 0 {
			t.Errorf("no record is compressed with codec %d", codec)
		}
	}
	report := judge(t, contents.log, all)
	if report.Reconnects < len(all)*cuts/3 {
		t.Errorf("only %d reconnects: the cuts did not strike", report.Reconnects)
	}
	t.Logf("written in %v, delivered in %v (%.0f a second)", wrote, took, float64(report.Delivered)/took.Seconds())
}

// judge compares what subscribers received with the log.
func judge(t *testing.T, log *check.Log, subscribers []*subscriber) *check.Report {
	t.Helper()
	var journals []*check.Journal
	for _, s := range subscribers {
		journals = append(journals, &s.journal)
		for _, remark := range s.remarks {
			t.Errorf("%s: %s", s.name, remark)
		}
	}
	report := check.Subscribers(log, journals)
	t.Log(report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	return report
}
