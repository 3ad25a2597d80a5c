package producer

import (
	"context"
	"time"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// messageOverhead is about what a message in flight takes in addition to its
// bytes.
const messageOverhead = 200

// call is one call of Produce. It is guarded by the topic's mutex.
type call struct {
	messages []message
	results  []upstream.Stored
	left     int       // number of messages without a result
	at       int64     // Unix milliseconds, the timestamp of messages that have none
	deadline time.Time // none of it is sent for the first time from then on
	cost     int64     // bytes of memory in flight

	done    func([]upstream.Stored)
	stop    func() // stops watching the context
	release func() // returns the memory to the producer's budget
}

// message is a message of a call. The fields that newCall does not write are
// guarded by the topic's mutex.
type message struct {
	upstream.Message
	call  *call
	index int
	size  int // bytes in a batch, approximate

	lane    *lane  // nil until the topic's partitions are known
	batch   *batch // nil while it is queued
	settled bool
}

func newCall(messages []upstream.Message, done func([]upstream.Stored)) *call {
	call := &call{
		messages: make([]message, len(messages)),
		results:  make([]upstream.Stored, len(messages)),
		left:     len(messages),
		at:       time.Now().UnixMilli(),
		done:     done,
	}
	for i := range messages {
		m := &messages[i]
		size := 32 + len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			size += 10 + len(h.Name) + len(h.Value)
		}
		call.messages[i] = message{Message: *m, call: call, index: i, size: size}
		call.cost += int64(size) + messageOverhead
	}
	return call
}

// timestamp returns the time that the message has in Kafka, unless the topic has log append
// time.
func (m *message) timestamp() int64 {
	if m.Timestamp > 0 {
		return m.Timestamp
	}
	return m.call.at
}

// settle gives a message its result and reports whether it was the call's last
// message. A message that already has a result keeps it.
func (m *message) settle(result upstream.Stored) (last bool) {
	if m.settled {
		return false
	}
	m.settled = true
	m.call.results[m.index] = result
	m.call.left--
	return m.call.left == 0
}

// finish reports the results. It is called without any lock.
func (c *call) finish() {
	if c.stop != nil {
		c.stop()
	}
	if c.release != nil {
		c.release()
	}
	c.done(c.results)
}

// batch is the batch that a lane has in progress.
type batch struct {
	// Owned by the lane.
	messages []*message
	size     int    // bytes before compression, approximate
	full     bool   // more was queued than the bound of its bytes allows
	encoded  []byte // never changed once set: a lost request may still read it

	// Guarded by the topic's mutex.
	live    int  // number of messages without a result
	unknown bool // an attempt may have appended it: the batch is fixed
	attempt *kafkalog.Request
	cancel  context.CancelFunc // ends the attempt
}

// takeBack reports whether the batch is certainly not stored, and makes sure that
// an attempt that has not been written yet never is. The lock is held.
func (b *batch) takeBack() bool {
	if b.unknown {
		return false
	}
	if b.attempt != nil {
		if !b.attempt.Abandon() {
			return false
		}
		b.cancel()
	}
	return true
}

// late returns those messages of a batch whose time is up although no timer has said so, as
// after the process was stopped for a while, and when the time of the next one is up. A fixed
// batch is sent until the time of its last message is up. The lock is held.
func (b *batch) late(now time.Time) (late []*message, next time.Time) {
	for _, m := range b.messages {
		if m.settled {
			continue
		}
		deadline := m.call.deadline
		switch {
		case !now.Before(deadline):
			late = append(late, m)
		case next.IsZero(), deadline.Before(next) != b.unknown:
			next = deadline
		}
	}
	return late, next
}

// stopIfDead cancels an attempt if no message of the batch is waited for. The
// lock is held.
func (b *batch) stopIfDead() {
	if b.live == 0 && b.cancel != nil {
		b.cancel()
	}
}
