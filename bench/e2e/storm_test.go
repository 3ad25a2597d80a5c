package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// TestNothingIsLostInAStorm is about promises 1 to 5: two hundred subscribers are
// cut off at random, usually in the middle of a frame, and resume on either of two
// instances, while clients other than Sluice write with every codec and abort some
// of their transactions.
func TestNothingIsLostInAStorm(t *testing.T) {
	const (
		partitions  = 6
		subscribers = 100 // over each transport
		cuts        = 6   // about this many for each subscriber
	)
	work := writers{topic: "storm", span: 20 * time.Second, perCodec: 14_000, kcat: 2_000, committed: 20_000, aborted: 10_000}
	topic(t, work.topic, partitions)
	// Subscribers on a busy machine may not read for a while.
	config := setup{streams: map[string]string{"storm": work.topic}, limits: "write_progress: 1m"}
	both := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 4*time.Minute)
	began := time.Now()

	var all []*clients.Subscriber
	for i := range subscribers {
		by := clients.ByCursor
		if i%3 == 1 {
			by = clients.BySeen
		}
		all = append(all, clients.NewSubscriber(fmt.Sprintf("sse-%s-%d", by, i), clients.OverSSE, by, "storm", partitions))
	}
	for i := range subscribers {
		by := []clients.Resume{clients.ByCursor, clients.BySeen, clients.ByName}[i%3]
		all = append(all, clients.NewSubscriber(fmt.Sprintf("ws-%s-%d", by, i), clients.OverWS, by, "storm", partitions))
	}
	var running sync.WaitGroup
	for _, s := range all {
		s.Addrs, s.Token = addrs(both...), token(t, s.Name, "reader")
		s.CutEvery = float64(200*work.total()) / cuts
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
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

	if contents.Visible != 100_000 || contents.Aborted != work.aborted {
		t.Errorf("the topic has %d visible and %d aborted records, want %d and %d", contents.Visible, contents.Aborted, 100_000, work.aborted)
	}
	for codec := range len(codecs) {
		if contents.Codecs[uint8(codec)] == 0 {
			t.Errorf("no record is compressed with codec %d", codec)
		}
	}
	report := judge(t, contents.Log, all)
	if report.Reconnects < len(all)*cuts/3 {
		t.Errorf("only %d reconnects: the cuts did not strike", report.Reconnects)
	}
	t.Logf("written in %v, delivered in %v (%.0f a second)", wrote, took, float64(report.Delivered)/took.Seconds())
}

// judge compares what subscribers received with the log.
func judge(t *testing.T, log *check.Log, subscribers []*clients.Subscriber) *check.Report {
	t.Helper()
	var journals []*check.Journal
	for _, s := range subscribers {
		journals = append(journals, &s.Journal)
		for _, remark := range s.Remarks {
			t.Errorf("%s: %s", s.Name, remark)
		}
	}
	report := check.Subscribers(log, journals)
	t.Log(report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	return report
}
