package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

const (
	// healthEvery is how often a follower looks whether it gets anything.
	healthEvery = 200 * time.Millisecond
	// outageAfter is how long a partition may be out of reach before it is
	// reported.
	outageAfter = 700 * time.Millisecond
	// overdue is how much longer than it was asked to wait a broker may be
	// silent before its partitions count as out of reach.
	overdue = time.Second
	// roundBytes is about how much of a fetch is decompressed at a time.
	roundBytes = 8 << 20
)

// errNotFound is the cause before anything is known of a partition.
var errNotFound = errors.New("the leader is not known yet")

// follower is one call of Follow.
type follower struct {
	topic record.Topic
	sink  upstream.Sink

	// mail has room for one: there is something in the inbox, or it ended.
	mail chan struct{}

	// Guarded by the source's mu.
	id         record.TopicID // of the log; the topic's, or what metadata says where that has none
	partitions []*partition
	inbox      []*delivery
	pending    int   // deliveries in the inbox or in the sink
	slow       bool  // the sink took long the last time
	gone       bool  // Follow has returned
	err        error // why Follow is to return
	changed    doubt // that this still is the topic
}

// partition is where a follower is in one of its partitions, and who serves
// it. Guarded by the source's mu, but that whoever has set busy owns next and
// walk until it clears it.
type partition struct {
	f    *follower
	lead leadership
	next record.PartitionOffset
	// fresh: nothing has been read yet, and no position names the partition.
	fresh bool
	walk  walk

	broker *broker // nil while nobody is known to serve it
	// replica is a follower that the leader wants read from (KIP-392), until
	// replicaUntil.
	replica      int32
	replicaUntil time.Time
	// strict: the leader itself is to answer, and not to send us to a replica.
	strict bool

	busy    bool      // in a fetch, or in a delivery
	waiting time.Time // when the fetch it is in should be over, zero for none
	stuck   int       // how often in a row a fetch brought no whole batch
	strange int       // how often in a row the offset was out of a range it is in
	deposed int       // how often in a row a broker answered that led only before
	// confirmed: all brokers have that one for the leader.
	confirmed bool

	failing time.Time // since when it fails, zero if it does not
	cause   error
	retry   *backoff.ExponentialBackOff
	retryAt time.Time
}

// failed notes that a partition cannot be read, and when to try again.
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

// out reports whether the partition has been out of reach for longer than
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
	parts []*partition // walks have begun
	gaps  []upstream.Fetched
	got   *fetched // nil where there are only gaps
	turn  *turn
}

// Follow implements upstream.Source. It gets records only while Run runs.
func (s *Source) Follow(ctx context.Context, topic record.Topic, from []record.PartitionOffset, sink upstream.Sink) error {
	f := &follower{topic: topic, id: topic.ID, sink: sink, mail: make(chan struct{}, 1)}
	now := time.Now()
	for _, at := range from {
		f.partitions = append(f.partitions, newPartition(f, at, now))
	}
	for partition := range topic.Partitions {
		f.at(partition, now)
	}
	s.mu.Lock()
	s.followers[f] = struct{}{}
	s.mu.Unlock()
	defer s.leave(f)
	s.refresh()

	heartbeat := time.NewTicker(healthEvery)
	defer heartbeat.Stop()
	live := true
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.mail:
			for ctx.Err() == nil {
				d := s.take(f)
				if d == nil {
					break
				}
				s.deliver(f, d)
			}
			if err := s.ended(f); err != nil {
				return fmt.Errorf("follow %q: %w", topic.Name, err)
			}
		case <-heartbeat.C:
		}
		if out, cause := s.health(f); out == live {
			live = !out
			sink.Live(live, cause)
		}
	}
}

func newPartition(f *follower, at record.PartitionOffset, now time.Time) *partition {
	return &partition{
		f: f, next: at, replica: -1, failing: now, cause: errNotFound,
		lead: leadership{partition: at.Partition, leader: -1, epoch: -1},
	}
}

// take is the next delivery of a follower, nil for none.
func (s *Source) take(f *follower) *delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(f.inbox) == 0 {
		return nil
	}
	d := f.inbox[0]
	f.inbox[0] = nil
	f.inbox = f.inbox[1:]
	return d
}

// post hands a delivery over. The caller holds mu.
func (f *follower) post(d *delivery) {
	f.inbox = append(f.inbox, d)
	f.pending++
	f.nudge()
}

func (f *follower) nudge() {
	select {
	case f.mail <- struct{}{}:
	default:
	}
}

func (s *Source) ended(f *follower) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.err
}

// deliver gives the sink what a fetch brought, mostly in one call: in several
// only where it decompresses to very much, or a gap stands between records.
func (s *Source) deliver(f *follower, d *delivery) {
	in := s.inflaters.Get().(*inflater)
	began := time.Now()
	out := make([]upstream.Fetched, len(d.parts))
	gaps := make([]record.Gap, len(d.parts))
	batch := make([]*upstream.Fetched, 0, len(d.parts)+len(d.gaps))
	for i := range d.gaps {
		batch = append(batch, &d.gaps[i])
	}
	for more := true; more; {
		in.reset()
		more = false
		budget := roundBytes
		for i, p := range d.parts {
			more = more || len(p.walk.rest) > 0 && budget <= 0
			if len(p.walk.rest) == 0 || budget <= 0 {
				continue
			}
			was := p.walk.position
			budget = p.walk.next(in, budget)
			more = more || len(p.walk.rest) > 0
			if p.walk.position == was && p.walk.gap.Reason == "" {
				continue
			}
			out[i] = upstream.Fetched{
				Partition: was.Partition, Next: p.walk.position,
				Start: p.walk.start, Tip: p.walk.stable, Bytes: p.walk.bytes,
			}
			if p.walk.gap.Reason != "" {
				gaps[i] = p.walk.gap
				out[i].Gap = &gaps[i]
				s.log.Warn("records cannot be read", "topic", f.topic.Name, "partition", was.Partition,
					"from", gaps[i].From, "to", gaps[i].To, "cause", p.walk.cause)
			}
			if p.walk.visible > 0 {
				out[i].Each = p.walk.each
			}
			batch = append(batch, &out[i])
		}
		if len(batch) > 0 {
			f.sink.Append(batch)
			batch = batch[:0]
		}
	}
	in.reset()
	s.inflaters.Put(in)
	s.settle(f, d, time.Since(began) > grace)
}

// settle takes the partitions of a delivery back into the turns.
func (s *Source) settle(f *follower, d *delivery, slow bool) {
	s.mu.Lock()
	f.pending--
	f.slow = slow
	for _, p := range d.parts {
		p.stuck++
		if p.walk.position != p.next || !p.walk.partial {
			p.stuck = 0
		} else if p.broker != nil {
			p.broker.prefer(p)
		}
		p.next, p.fresh, p.busy = p.walk.position, false, false
		p.walk.rest = nil
		p.walk.clear()
	}
	for i := range d.gaps {
		for _, p := range f.partitions {
			if p.lead.partition == d.gaps[i].Partition {
				p.next, p.fresh, p.busy = d.gaps[i].Next, false, false
			}
		}
	}
	if d.turn != nil {
		d.turn.left--
	}
	if f.pending == 0 {
		f.wakeBrokers()
	}
	s.mu.Unlock()
	if d.got != nil {
		d.got.release()
	}
}

// free lets a partition be fetched again. The caller holds mu.
func (p *partition) free() {
	p.busy, p.waiting = false, time.Time{}
	if p.broker != nil {
		p.broker.nudge()
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

// leave forgets a follower and what was still on its way to it.
func (s *Source) leave(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.gone = true
	delete(s.followers, f)
	for _, p := range f.partitions {
		p.assign(nil)
	}
	for _, d := range f.inbox {
		f.drop(d)
	}
	f.inbox = nil
}

// drop ends a delivery that nobody takes. The caller holds mu.
func (f *follower) drop(d *delivery) {
	if d.turn != nil {
		d.turn.left--
	}
	if d.got != nil {
		d.got.release()
	}
}

// health reports whether any partition has been out of reach for longer than outageAfter.
func (s *Source) health(f *follower) (out bool, cause error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range f.partitions {
		if out, cause := p.out(now); out {
			if s.cause != nil && (errors.Is(cause, errNotFound) || refusal(s.cause)) {
				cause = s.cause
			}
			return true, unavailable(fmt.Errorf("partition %d of %q: %w", p.lead.partition, f.topic.Name, cause))
		}
	}
	return false, nil
}
