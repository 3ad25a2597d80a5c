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

// Follow implements upstream.Source. It delivers records only while Run runs.
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

// take removes and returns the next delivery of a follower, nil if there is none.
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

// post puts a delivery into the inbox. The caller holds mu.
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

// deliver passes the records of a fetch to the sink, mostly in one call. It takes
// several calls only if the records decompress to more than roundBytes, or if a
// gap is between records.
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

// settle makes the partitions of a delivery available for fetches again.
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

// free makes a partition available for fetches again. The caller holds mu.
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

// leave removes a follower and drops the deliveries in its inbox.
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

// drop releases a delivery that is not passed to the sink. The caller holds mu.
func (f *follower) drop(d *delivery) {
	if d.turn != nil {
		d.turn.left--
	}
	if d.got != nil {
		d.got.release()
	}
}

// health reports whether any partition has been unavailable for longer than
// outageAfter.
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
