package producer

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"sluice/hub/upstream"
)

// accept takes a call and returns the calls that are finished already. It reports false
// if the topic was forgotten, and takes nothing then.
func (t *topic) accept(ctx context.Context, call *call) (finished []*call, ok bool) {
	t.mu.Lock()
	if t.forgotten {
		t.mu.Unlock()
		return nil, false
	}
	t.unwanted = false
	t.calls++
	cancel := func() {}
	most := time.Now().Add(t.producer.config.Timeout)
	if ends, ok := ctx.Deadline(); ok && ends.Before(most) {
		call.deadline = ends // most callers have one, and a context less is less to do
	} else {
		ctx, cancel = context.WithDeadline(ctx, most)
		call.deadline = most
	}
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
	return t.unlockQuietly(), true
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
