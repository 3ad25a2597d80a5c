package producer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

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
	calls    int     // without all of their results
	finished []*call // settled under the lock, reported after it
	// unwanted is set while the topic is to be forgotten, and forgotten once it is not
	// the producer's any more.
	unwanted, forgotten bool
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
		m.lane.estimate.waiting -= m.size
	}
	if m.settle(result) {
		t.calls--
		t.finished = append(t.finished, m.call)
	}
}

// fail gives a message a failure as its result.
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

// spread chooses another partition for messages without a key (KIP-480).
func (t *topic) spread() {
	start, before := rand.IntN(len(t.numbers)), t.sticky //nolint:gosec // nothing secret depends on it
	for i := range t.numbers {
		at := (start + i) % len(t.numbers)
		if at != before && t.lanes[at].usable() {
			t.sticky = at
			return
		}
	}
}
