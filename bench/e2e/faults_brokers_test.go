package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// TestBrokersFailAndNothingIsLost is about promises 1, 2 and 12: the leader of some
// partitions is killed, then another one hangs, while writers and subscribers
// continue. All sessions must stay open, receive everything in order, and receive
// what Kafka stores while the broker is still unavailable, also on instances whose
// configuration names only the broker that fails. These must stay ready.
func TestBrokersFailAndNothingIsLost(t *testing.T) {
	const (
		partitions = 6
	)
	kafka := threeBrokers(t)
	topic(t, "failing", partitions)
	ctx := within(t, 90*time.Second)
	victim := leaderOf(ctx, t, kafka, "failing", 0)
	hangs := victim
	for p := 1; p < partitions && hangs == victim; p++ {
		hangs = leaderOf(ctx, t, kafka, "failing", p)
	}
	var three []*instance
	for _, knows := range []string{"", knowsOnly(victim), knowsOnly(hangs)} {
		three = append(three, sluice(t, setup{kafka: knows, streams: map[string]string{"failing": "failing"}}))
	}
	flow := startFlow(ctx, t, "failing", 300)
	all := gather(ctx, t, 20, "failing", partitions, flow, three...)
	all.await(ctx, t, 300)
	t.Logf("lag before: %v", all.takeLag())

	killed := time.Now()
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	deposed(ctx, t, kafka, "failing", victim)
	t.Logf("%s was killed, deposed after %v", victim.Name(), time.Since(killed))
	readyThrough(ctx, t, three[1], "with the one broker that it is told of dead")
	pause(ctx, time.Until(killed.Add(5*time.Second)))
	all.await(ctx, t, flow.count()) // while it is dead
	lag := all.takeLag()
	t.Logf("lag while its leader was dead: %v; nothing could be written for up to %v", lag, flow.longest)
	startBrokers(ctx, t, kafka)
	inSync(ctx, t, "failing")
	all.takeLag()

	hung := time.Now()
	if err := hangs.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hangs.Resume() })
	deposed(ctx, t, kafka, "failing", hangs)
	t.Logf("%s was stopped, deposed after %v", hangs.Name(), time.Since(hung))
	readyThrough(ctx, t, three[2], "with the one broker that it is told of stopped")
	pause(ctx, time.Until(hung.Add(10*time.Second)))
	all.await(ctx, t, flow.count()) // while it hangs
	lag = all.takeLag()
	t.Logf("lag while a broker hung: %v", lag)
	if err := hangs.Resume(); err != nil {
		t.Fatal(err)
	}
	inSync(ctx, t, "failing")
	t.Logf("lag after it went on: %v", all.takeLag())

	flow.end()
	writeEnds(ctx, t, "failing", partitions)
	contents := readLog(ctx, t, "failing", partitions)
	all.running.Wait()
	judge(t, contents.Log, all.subscribers())
	all.stayed(t)
}

// TestPublishAnswersAreTrueWhileALeaderDies is about promises 7 and 8. One of the
// two instances is configured with only the broker that dies, and must store records
// all the same.
func TestPublishAnswersAreTrueWhileALeaderDies(t *testing.T) {
	const partitions = 3
	kafka := threeBrokers(t)
	topic(t, "answers", partitions)
	ctx := within(t, 60*time.Second)
	victim := leaderOf(ctx, t, kafka, "answers", 0)
	var both []*instance
	for _, knows := range []string{"", knowsOnly(victim)} {
		both = append(both, sluice(t, setup{kafka: knows, streams: map[string]string{"answers": "answers"}}))
	}

	var publishers []*clients.Publisher
	var writing sync.WaitGroup
	for i := range 8 {
		p := &clients.Publisher{Session: fmt.Sprint("p-", i), Stream: "answers", Addr: both[i%2].addr, Token: token(t, fmt.Sprint("p-", i), "writer"), Every: 10 * time.Millisecond}
		publishers = append(publishers, p)
		writing.Go(func() {
			var err error
			if i < 4 {
				err = p.OverWebSocket(ctx, 800)
			} else {
				err = p.OverHTTP(ctx, 600)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	pause(ctx, time.Second)
	struck := time.Now()
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	deposed(ctx, t, kafka, "answers", victim)
	t.Logf("%s was killed, deposed after %v", victim.Name(), time.Since(struck))
	writing.Wait()
	// New topics and partitions need metadata and a producer id.
	late := &clients.Publisher{Session: "late", Stream: "answers", Addr: both[1].addr, Token: token(t, "late", "writer")}
	publishers = append(publishers, late)
	awaitStored(ctx, t, late)
	startBrokers(ctx, t, kafka)
	writeEnds(ctx, t, "answers", partitions)
	log := readLog(ctx, t, "answers", partitions).Log

	var sent []check.Publish
	answers := make(map[check.Answer]int)
	for _, p := range publishers {
		sent = append(sent, p.Sent()...)
		for _, publish := range p.Sent() {
			answers[publish.Answer]++
		}
	}
	report := check.Publishers(log, sent)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	// While there is no leader, refusals are faster than stored records.
	if answers[check.Stored] < len(sent)/5 || answers[check.NotStored] == 0 {
		t.Errorf("%d of %d are stored, %d were refused: the fault did not strike, or for too long",
			answers[check.Stored], len(sent), answers[check.NotStored])
	}
	t.Logf("%d published in %v: %d stored, %d not stored, %d unknown; %d in the topic", len(sent), time.Since(struck),
		answers[check.Stored], answers[check.NotStored], answers[check.Unknown], log.Len()-partitions)
}
