package producer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"sluice/hub/upstream"
)

// run keeps the topic's leaders known and runs its lanes. It accepts messages
// until ctx ends or the topic is forgotten, and sends those accepted until work ends.
func (t *topic) run(ctx, work context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer t.end()
	var lanes sync.WaitGroup
	retry := t.producer.newBackoff()
	for ctx.Err() == nil {
		if t.leave() {
			cancel()
			break
		}
		asking, cancel := context.WithTimeout(ctx, t.producer.config.FailAfter)
		leaders, err := t.producer.cluster.Leaders(asking, t.name)
		cancel()
		pause := refreshEvery
		if err != nil {
			t.missed(err)
			pause = retry.NextBackOff()
		} else {
			retry.Reset()
			for _, lane := range t.learned(leaders) {
				lanes.Go(func() { lane.run(ctx, work) })
			}
		}
		t.wait(ctx, pause)
	}
	t.close()
	// Lanes that send their last messages may still need to find new leaders.
	drained := make(chan struct{})
	go func() {
		lanes.Wait()
		close(drained)
	}()
	t.refreshUntil(work, drained)
}

// leave removes a topic that is to be forgotten from the producer, and reports whether it
// did.
func (t *topic) leave() bool {
	t.producer.mu.Lock()
	defer t.producer.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.unwanted || t.calls > 0 {
		return false
	}
	t.forgotten, t.closed = true, true
	delete(t.producer.topics, t.name)
	return true
}

// refreshUntil updates the leaders while the lanes drain.
func (t *topic) refreshUntil(work context.Context, drained <-chan struct{}) {
	for {
		select {
		case <-drained:
			return
		case <-t.stale:
		}
		asking, cancel := context.WithTimeout(work, t.producer.config.FailAfter)
		if leaders, err := t.producer.cluster.Leaders(asking, t.name); err == nil {
			t.mu.Lock()
			t.setLeaders(leaders)
			t.unlock()
		}
		cancel()
	}
}

// wait pauses until the leaders should be asked for again.
func (t *topic) wait(ctx context.Context, pause time.Duration) {
	least := min(pause, refreshPause)
	timer := time.NewTimer(least)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	timer.Reset(pause - least)
	select {
	case <-timer.C:
	case <-t.stale:
	case <-ctx.Done():
	}
}

// learned records the leaders and returns the new lanes.
func (t *topic) learned(leaders []int32) []*lane {
	t.mu.Lock()
	defer t.unlock()
	t.away = nil
	t.absent.Note(false, time.Now())
	before := len(t.lanes)
	for i := before; i < len(leaders); i++ {
		t.lanes = append(t.lanes, newLane(t, int32(i)))
	}
	if len(leaders) != len(t.numbers) {
		t.numbers = make([]int, len(leaders))
		for i := range t.numbers {
			t.numbers[i] = i
		}
		t.sticky = rand.IntN(len(leaders)) //nolint:gosec // nothing secret depends on it
	}
	t.setLeaders(leaders)
	waiting := t.waiting
	t.waiting = nil
	for _, call := range waiting {
		t.assign(call)
	}
	return t.lanes[before:]
}

func (t *topic) setLeaders(leaders []int32) {
	for i, lane := range t.lanes {
		lane.leader = -1 // also if a topic that was created again lacks the partition
		if i < len(leaders) {
			lane.leader = leaders[i]
		}
	}
}

// missed records that the leaders could not be asked for. Once the topic has
// lanes, they detect by themselves what works.
func (t *topic) missed(cause error) {
	t.mu.Lock()
	defer t.unlock()
	if errors.Is(cause, kafka.UnknownTopicOrPartition) {
		t.absent.Note(true, time.Now())
	}
	if t.lanes != nil {
		return
	}
	sentinel := upstream.ErrPublishUnavailable
	switch {
	case refusedForGood(cause):
		sentinel = upstream.ErrPublishRejected
	case t.away == nil && (len(t.waiting) == 0 || time.Since(t.since) < t.producer.config.FailAfter):
		return
	default:
		if t.away == nil {
			t.producer.config.Log.Warn("topic unavailable for writes", "topic", t.name, "cause", cause)
		}
		t.away = cause
	}
	waiting := t.waiting
	t.waiting = nil
	for _, call := range waiting {
		for i := range call.messages {
			t.fail(&call.messages[i], sentinel, cause)
		}
	}
}

// close refuses messages from now on.
func (t *topic) close() {
	t.mu.Lock()
	defer t.unlock()
	t.closed = true
	for _, call := range t.waiting {
		t.failCall(call, errClosed)
	}
	t.waiting = nil
}

// end fails all remaining messages, when no lane runs any more.
func (t *topic) end() {
	t.close()
	t.mu.Lock()
	defer t.unlock()
	for _, lane := range t.lanes {
		lane.failQueue(errClosed)
	}
}
