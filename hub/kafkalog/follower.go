package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

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

// at finds a partition, or adds one of which nothing has been read.
func (f *follower) at(partition int32, now time.Time) *partition {
	if i := int(partition); i < len(f.partitions) && f.partitions[i].lead.partition == partition {
		return f.partitions[i]
	}
	for _, p := range f.partitions {
		if p.lead.partition == partition {
			return p
		}
	}
	p := newPartition(f, record.PartitionOffset{Partition: partition, Epoch: -1}, now)
	p.fresh = true
	f.partitions = append(f.partitions, p)
	return p
}
