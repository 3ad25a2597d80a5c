package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/bench/clients"
)

// TestAnInstanceThatWasStoppedIsWoken is about promises 1, 4 and 9: an instance that
// was paused for a while, as on a suspended machine, must continue with what it
// missed; it must not take named cursors back from clients that continued elsewhere,
// nor serve a client whose token has expired in the meantime.
func TestAnInstanceThatWasStoppedIsWoken(t *testing.T) {
	t.Parallel()
	span := lasting(8*time.Second, time.Minute)
	topic(t, "woken", 1)
	config := setup{streams: map[string]string{"early": "woken"}}
	sleeper, awake := sluice(t, config), sluice(t, config)
	ctx := within(t, span+60*time.Second)
	flow := startFlow(ctx, t, "woken", 50)
	stays := gather(ctx, t, 2, "early", 1, nil, sleeper)
	first := startAcker(ctx, t, sleeper, "early", "carried")
	first.awaitAck(ctx, t)
	lapses := newWitness(t, "lapses", clients.OverWS, "early", 1, nil, sleeper)
	lapses.Rough = true
	ends := time.Now().Add(span/2 + 10*time.Second) // it must have records before
	lapses.Token = tokenUntil(t, "lapses", ends, "reader")
	lapsing, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = lapses.Run(lapsing) // it never receives everything
	}()
	defer func() { stop(); <-over }()
	stays.await(ctx, t, 20)
	eventually(ctx, t, "it has records", func() error {
		if lapses.received() < 20 {
			return errors.New("it has not")
		}
		return nil
	})

	if err := sleeper.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sleeper.Resume() })
	slept := time.Now()
	second := startAcker(ctx, t, awake, "early", "carried")
	second.awaitAck(ctx, t)
	before := stays.all[0].received() // with what was on its way
	pause(ctx, time.Until(slept.Add(span)))
	pause(ctx, time.Until(ends.Add(time.Second)))
	if after := stays.all[0].received(); after > before+50 {
		t.Errorf("%d records arrived from an instance that stands still", after-before)
	}
	second.awaitAck(ctx, t)
	had := lapses.received()
	if err := sleeper.Resume(); err != nil {
		t.Fatal(err)
	}
	woke := time.Now()
	eventually(ctx, t, "the first holder of the name is told", func() error {
		first.mu.Lock()
		defer first.mu.Unlock()
		if !strings.Contains(fmt.Sprint(first.oddly), "superseded") {
			return fmt.Errorf("it was told %v", first.oddly)
		}
		return nil
	})
	t.Logf("the first holder was told %v after it was woken", time.Since(woke))
	pause(ctx, time.Second)
	second.awaitAck(ctx, t)
	second.succeeded(ctx, t, sleeper, "early", "carried").end()
	eventually(ctx, t, "those who stayed have caught up", func() error {
		if n := stays.all[0].received(); n < before+int(span/time.Second)*30 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	// Within five seconds of the expiry of the token, or of the resumption.
	pause(ctx, time.Until(woke.Add(5*time.Second)))
	at := lapses.received()
	pause(ctx, time.Second)
	t.Logf("who had a token that ended was sent %d records after the waking", at-had)
	if n := lapses.received(); n != at {
		t.Errorf("%d records arrived more than five seconds after the token had ended", n-at)
	}
	flow.end()
	writeEnds(ctx, t, "woken", 1)
	log := readLog(ctx, t, "woken", 1).Log
	stays.running.Wait()
	for _, w := range stays.all {
		for _, remark := range w.Remarks {
			t.Errorf("%s: %s", w.Name, remark)
		}
	}
	judge(t, log, stays.subscribers())
}
