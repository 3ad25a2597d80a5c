package kafkalog

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// broker runs the loop that fetches from one broker. All fields but the first
// three are guarded by the source's mu.
type broker struct {
	s    *Source
	id   int32
	wake chan struct{}

	running bool
	shares  []*share // in the order of the next request

	polling  bool // the long poll is in progress
	pollEnds time.Time
	lanes    int

	turn    *turn
	retry   *backoff.ExponentialBackOff
	retryAt time.Time
}

// share is the part of one follower's topic that a broker serves.
type share struct {
	f     *follower
	parts []*partition // in the order of the next request
}

// turn tracks the deliveries of a long poll to fast sinks.
type turn struct {
	left  int
	until time.Time
}

func newBroker(s *Source, id int32) *broker {
	return &broker{s: s, id: id, wake: make(chan struct{}, 1)}
}

func (b *broker) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// assign makes b the broker that serves the partition; nil means no broker. The
// caller holds mu.
func (p *partition) assign(b *broker) {
	if p.broker == b {
		return
	}
	if old := p.broker; old != nil {
		for i, sh := range old.shares {
			if sh.f != p.f {
				continue
			}
			sh.parts = slices.DeleteFunc(sh.parts, func(q *partition) bool { return q == p })
			if len(sh.parts) == 0 {
				old.shares = slices.Delete(old.shares, i, i+1)
			}
			break
		}
	}
	p.broker = b
	if b == nil {
		return
	}
	for _, sh := range b.shares {
		if sh.f == p.f {
			sh.parts = append(sh.parts, p)
			return
		}
	}
	b.shares = append(b.shares, &share{f: p.f, parts: []*partition{p}})
}

// poll is one fetch in progress.
type poll struct {
	lane  bool
	byID  bool
	req   *kmsg.FetchRequest
	parts []*partition
	asked []record.PartitionOffset // offsets of the parts when the request was sent
}

// errNotFound is the cause of failure of a partition of which nothing is known
// yet.
var errNotFound = errors.New("the leader is not known yet")

// follower is one call of Follow.
type follower struct {
	topic record.Topic
	sink  upstream.Sink

	// mail has room for one signal: the inbox has a delivery, or err is set.
	mail chan struct{}

	// Guarded by the source's mu.
	id         record.TopicID // of the log: the topic's id or, if it has none, what metadata reports
	partitions []*partition
	inbox      []*delivery
	pending    int   // deliveries in the inbox or at the sink
	slow       bool  // the last call of the sink took long
	gone       bool  // Follow has returned
	err        error // why Follow must return
	changed    doubt // doubt that this is still the same topic
}

// partition is the state of one partition of a follower, and the broker that
// serves it. It is guarded by the source's mu, except that the code that has set
// busy owns next and walk until it clears busy.
type partition struct {
	f    *follower
	lead leadership
	next record.PartitionOffset
	// fresh means that nothing has been read yet and that no given position
	// covers the partition.
	fresh bool
	walk  walk

	broker *broker // nil while no broker is known to serve it
	// replica is the replica from which the leader wants this partition read
	// (KIP-392), until replicaUntil.
	replica      int32
	replicaUntil time.Time
	// strict means that the leader must answer itself instead of naming a
	// replica.
	strict bool

	busy    bool      // in a fetch or in a delivery
	waiting time.Time // when the current fetch should be over, zero for none
	stuck   int       // number of fetches in a row that brought no whole batch
	strange int       // number of times in a row that an offset was reported out of range but is in range
	deposed int       // number of answers in a row from a broker that led only earlier
	// confirmed means that all brokers report the same leader.
	confirmed bool

	failing time.Time // time since which it fails, zero if it does not
	cause   error
	retry   *backoff.ExponentialBackOff
	retryAt time.Time
}

// doubt is a report by metadata that a topic is missing or another one, and since
// when.
type doubt struct {
	since time.Time
	id    record.TopicID // the other topic's, zero if the topic is missing
	times int
}

// failed records that a partition cannot be read, and when to try again.
func (p *partition) failed(now time.Time, cause error) {
	if p.failing.IsZero() {
		p.failing = now
		if !p.waiting.IsZero() && p.waiting.Before(now) {
			p.failing = p.waiting
		}
	}
	p.cause = cause
	if p.retry == nil {
		p.retry = newBackoff()
	}
	p.retryAt = now.Add(p.retry.NextBackOff())
}

func (p *partition) reached() {
	p.failing, p.cause, p.retry, p.retryAt = time.Time{}, nil, nil, time.Time{}
}

// out reports whether the partition has been unavailable for longer than
// outageAfter, and why.
func (p *partition) out(now time.Time) (bool, error) {
	if !p.failing.IsZero() && now.Sub(p.failing) > outageAfter {
		return true, p.cause
	}
	if !p.waiting.IsZero() && now.Sub(p.waiting) > overdue {
		return true, fmt.Errorf("broker %d does not answer", p.broker.id)
	}
	return false, nil
}

// delivery is what one fetch brought for a follower.
type delivery struct {
	parts []*partition // whose walks have begun
	gaps  []upstream.Fetched
	got   *fetched // nil if there are only gaps
	turn  *turn
}

func newPartition(f *follower, at record.PartitionOffset, now time.Time) *partition {
	return &partition{
		f: f, next: at, replica: -1, failing: now, cause: errNotFound,
		lead: leadership{partition: at.Partition, leader: -1, epoch: -1},
	}
}

// free makes a partition available for fetches again. The caller holds mu.
func (p *partition) free() {
	p.busy, p.waiting = false, time.Time{}
	if p.broker != nil {
		p.broker.nudge()
	}
}

func (f *follower) nudge() {
	select {
	case f.mail <- struct{}{}:
	default:
	}
}

func (f *follower) wakeBrokers() {
	var last *broker
	for _, p := range f.partitions {
		if p.broker != nil && p.broker != last {
			last = p.broker
			last.nudge()
		}
	}
}

const (
	// grace is how long the next long poll is held back for sinks that are about
	// to return. Without it a busy topic would miss the long poll again and
	// again, and each such topic would need a fetch of its own. A sink that took
	// longer the last time is not waited for.
	grace = time.Millisecond
	// lanes bounds the fetches beside a broker's long poll, each for topics that
	// could not be part of it. The last lanes are kept short, so that a lane
	// becomes free soon.
	lanes     = 6
	longLanes = 3
	shortLane = 20 * time.Millisecond
	// laneMargin is how much earlier than the long poll a lane ends, so that its
	// topics are in the next long poll.
	laneMargin = 10 * time.Millisecond
	// patience is how many fetches in a row may bring only a part of a batch from
	// a partition; each asks for twice as much as the one before. Brokers send at
	// least one whole batch of the first partition in a request, so after that
	// the batch's length must be wrong.
	patience = 8
	// probeWait is how long a broker may hold a fetch that tests whether a
	// partition can be read again.
	probeWait = 20 * time.Millisecond
)

// prefer puts a partition first in the next fetch, because its records did not
// fit into the last one.
func (b *broker) prefer(part *partition) {
	for i, sh := range b.shares {
		if sh.f != part.f {
			continue
		}
		if n := slices.Index(sh.parts, part); n >= 0 {
			copy(sh.parts[1:n+1], sh.parts[:n])
			sh.parts[0] = part
		}
		copy(b.shares[1:i+1], b.shares[:i])
		b.shares[0] = sh
		return
	}
}

const (
	// healthEvery is how often a follower checks whether its partitions can be
	// read.
	healthEvery = 200 * time.Millisecond
	// outageAfter is how long a partition may be unavailable before that is
	// reported.
	outageAfter = 700 * time.Millisecond
	// overdue is how much longer than the requested wait a broker may be silent
	// before its partitions count as unavailable.
	overdue = time.Second
	// roundBytes is about how much of a fetch is decompressed at a time.
	roundBytes = 8 << 20
)
