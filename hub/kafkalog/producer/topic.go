package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

const (
	// refreshEvery is how often a topic's leaders and partitions are asked for
	// while no lane signals stale.
	refreshEvery = 5 * time.Second
	// refreshPause is the least time between two such requests.
	refreshPause = 50 * time.Millisecond
)

// topic distributes a topic's messages over its partitions.
//
// When partitions are added, messages with a key may go to another partition from
// then on, as with any Kafka client.
type topic struct {
	producer *Producer
	name     string
	stale    chan struct{} // signal by a lane that its leader may be wrong

	mu       sync.Mutex
	lanes    []*lane   // one for each partition
	numbers  []int     // 0..count-1, the partition list for the balancer
	waiting  []*call   // in order, until the partitions are known
	since    time.Time // when the first of them was made
	away     error     // why no messages are accepted for now, nil if they are
	absent   kafkalog.Absence
	sticky   int // the partition of messages without a key, until its next batch
	closed   bool
	finished []*call // settled under the lock, reported after it
}

func newTopic(p *Producer, name string) *topic {
	return &topic{producer: p, name: name, stale: make(chan struct{}, 1)}
}

// unlock ends a critical section and then reports the results of the calls that
// it finished.
func (t *topic) unlock() {
	for _, call := range t.unlockQuietly() {
		call.finish()
	}
}

func (t *topic) unlockQuietly() []*call {
	finished := t.finished
	t.finished = nil
	t.mu.Unlock()
	return finished
}

// settle gives a message its result. The lock is held.
func (t *topic) settle(m *message, result upstream.Stored) {
	if m.settled {
		return
	}
	if m.batch != nil {
		m.batch.live--
	} else if m.lane != nil {
		m.lane.dead++
	}
	if m.settle(result) {
		t.finished = append(t.finished, m.call)
	}
}

func (t *topic) fail(m *message, sentinel, cause error) {
	partition := int32(-1)
	if m.lane != nil {
		partition = m.lane.partition
	}
	err := sentinel
	if errors.Is(sentinel, upstream.ErrPublishUnavailable) && t.absent.Certain(time.Now()) {
		err = fmt.Errorf("store record in %s: %w: %w", t.name, sentinel, upstream.ErrUnknownTopic)
	} else if cause != nil {
		err = fmt.Errorf("store record in %s: %w: %w", t.name, sentinel, cause)
	}
	t.settle(m, upstream.Stored{Partition: partition, Offset: -1, Err: err})
}

// accept takes a call and returns the calls that are finished already.
func (t *topic) accept(ctx context.Context, call *call) []*call {
	ctx, cancel := context.WithTimeout(ctx, t.producer.config.Timeout)
	t.mu.Lock()
	unwatch := context.AfterFunc(ctx, func() { t.expire(call, context.Cause(ctx)) })
	call.stop = func() {
		unwatch()
		cancel()
	}
	switch {
	case t.closed:
		t.failCall(call, errClosed)
	case t.away != nil:
		t.failCall(call, t.away)
	case t.lanes == nil:
		if len(t.waiting) == 0 {
			t.since = time.Now()
		}
		t.waiting = append(t.waiting, call)
	default:
		t.assign(call)
	}
	return t.unlockQuietly()
}

func (t *topic) failCall(call *call, cause error) {
	for i := range call.messages {
		t.fail(&call.messages[i], upstream.ErrPublishUnavailable, cause)
	}
}

// assign puts a call's messages into the queues of their lanes.
func (t *topic) assign(call *call) {
	for i := range call.messages {
		m := &call.messages[i]
		if m.settled {
			continue
		}
		m.lane = t.lanes[t.partition(m.Key)]
		m.lane.push(m)
	}
}

// partition returns the partition of a message as Kafka's Java client chooses it:
// by the murmur2 hash of the key, and without a key the current sticky partition.
func (t *topic) partition(key []byte) int {
	if key != nil {
		return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, t.numbers...)
	}
	if !t.lanes[t.sticky].usable() {
		t.spread()
	}
	return t.sticky
}

// spread chooses another partition for messages without a key (KIP-480).
func (t *topic) spread() {
	start, before := rand.IntN(len(t.numbers)), t.sticky
	for i := range t.numbers {
		at := (start + i) % len(t.numbers)
		if at != before && t.lanes[at].usable() {
			t.sticky = at
			return
		}
	}
}

// expire fails the messages of a call that have no result when its context ends.
func (t *topic) expire(call *call, cause error) {
	t.mu.Lock()
	defer t.unlock()
	for i := range call.messages {
		m := &call.messages[i]
		if m.settled {
			continue
		}
		if m.batch == nil || m.batch.takeBack() {
			t.fail(m, upstream.ErrPublishUnavailable, cause)
		} else {
			t.fail(m, upstream.ErrPublishUnknown, cause)
		}
		switch {
		case m.batch != nil:
			m.batch.stopIfDead()
		case m.lane != nil:
			m.lane.compact()
		}
	}
}

// run keeps the topic's leaders known and runs its lanes. It accepts messages
// until ctx ends, and sends those accepted until work ends.
func (t *topic) run(ctx, work context.Context) {
	defer t.end()
	var lanes sync.WaitGroup
	retry := t.producer.newBackoff()
	for ctx.Err() == nil {
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
		t.sticky = rand.IntN(len(leaders))
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
			t.producer.config.Log.Warn("topic cannot be produced to", "topic", t.name, "cause", cause)
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
