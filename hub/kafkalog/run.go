package kafkalog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/hub/upstream"
)

const (
	// refreshGap is the least time between two metadata requests, however often
	// refresh is called.
	refreshGap = 50 * time.Millisecond
	// changedFor is how long metadata must report that a topic is another one
	// before it is believed; see missingFor.
	changedFor = 500 * time.Millisecond
)

// Run reads for all followers until the context ends. It runs the loop that asks
// for metadata in its caller's goroutine, and owns one goroutine for each broker
// and one for each fetch. All of them have ended when it returns, except fetches
// in progress on kafka-go's connections, which hold only their own buffers and
// end with their deadlines.
func (s *Source) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	defer loops.Wait()
	pace := newBackoff()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.stop()
			return ctx.Err()
		case <-s.kick:
		case <-timer.C:
		}
		wait := s.config.MetadataEvery
		if err := s.learn(ctx); err != nil && ctx.Err() == nil {
			wait = pace.NextBackOff()
		} else {
			pace.Reset()
		}
		s.startBrokers(ctx, &loops)
		timer.Reset(wait)
		sleep(ctx, refreshGap)
	}
}

// startBrokers starts the loops of new brokers.
func (s *Source) startBrokers(ctx context.Context, loops *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.brokers {
		if !b.running {
			b.running = true
			loops.Go(func() { b.run(ctx) })
		}
	}
}

// stop resets the brokers, so that Run can be called again.
func (s *Source) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.brokers {
		for _, share := range b.shares {
			for _, p := range share.parts {
				p.broker = nil
			}
		}
	}
	s.brokers = make(map[int32]*broker)
}

// learn asks for the metadata of all followed topics.
func (s *Source) learn(ctx context.Context) error {
	s.mu.Lock()
	seen := make(map[string]struct{}, len(s.followers))
	names := make([]string, 0, len(s.followers))
	doubtful := false
	for f := range s.followers {
		doubtful = doubtful || slices.ContainsFunc(f.partitions, func(p *partition) bool { return p.deposed > 0 })
		if _, ok := seen[f.topic.Name]; !ok {
			seen[f.topic.Name] = struct{}{}
			names = append(names, f.topic.Name)
		}
	}
	s.mu.Unlock()
	if len(names) == 0 {
		return nil
	}
	var found []layout
	var all bool
	var err error
	if doubtful {
		found, all, err = s.cluster.newest(ctx, names)
	} else {
		found, err = s.cluster.metadata(ctx, names)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.cause == nil && ctx.Err() == nil {
			s.log.Warn("metadata unavailable; retrying", "cause", err)
		}
		s.cause = err
		return err
	}
	s.cause = nil
	layouts := make(map[string]*layout, len(found))
	for i := range found {
		layouts[found[i].name] = &found[i]
	}
	var again error
	for f := range s.followers {
		for _, p := range f.partitions {
			p.confirmed = all && p.deposed > 0
		}
		if l := layouts[f.topic.Name]; l != nil {
			if err := s.apply(f, l, now); err != nil {
				again = err
			}
		}
	}
	return again
}

// apply passes what metadata reports of a topic to a follower. An error means
// that metadata must be asked for again soon.
func (s *Source) apply(f *follower, l *layout, now time.Time) error {
	if f.err != nil {
		return nil
	}
	if l.err != nil && !l.missing {
		f.fail(now, l.err)
		return l.err
	}
	another := !l.missing && !f.id.IsZero() && !l.id.IsZero() && l.id != f.id
	if l.missing || another {
		return s.doubt(f, l, now)
	}
	f.changed = doubt{}
	if f.id.IsZero() {
		f.id = l.id
	}
	var again error
	for _, lead := range l.partitions {
		if lead.leader < 0 {
			again = leaderless(l.name, lead)
		}
		s.lead(f.at(lead.partition, now), lead, now, again)
	}
	return again
}

// lead records the leader of a partition and assigns the partition to the broker
// that serves it.
func (s *Source) lead(p *partition, lead leadership, now time.Time, cause error) {
	moved := lead.leader != p.lead.leader || lead.epoch != p.lead.epoch
	p.lead = lead
	if lead.leader < 0 {
		p.assign(nil)
		if p.failing.IsZero() {
			p.failing = now
		}
		p.cause = cause
		return
	}
	if moved {
		p.replica = -1
		p.retryAt = time.Time{}
	}
	serving := lead.leader
	if p.replica >= 0 && now.Before(p.replicaUntil) {
		serving = p.replica
	}
	b := s.brokers[serving]
	if b == nil {
		b = newBroker(s, serving)
		s.brokers[serving] = b
	}
	p.assign(b)
	b.nudge()
}

// doubt ends a follower once metadata has reported often and long enough that its
// topic is gone.
func (s *Source) doubt(f *follower, l *layout, now time.Time) error {
	err := fmt.Errorf("%w: %q does not exist", upstream.ErrLogChanged, l.name)
	needed := missingFor
	if !l.missing {
		err = fmt.Errorf("%w: %q has topic ID %s, not %s", upstream.ErrLogChanged, l.name, l.id, f.id)
		needed = changedFor
	}
	if f.changed.times == 0 || f.changed.id != l.id {
		f.changed = doubt{since: now, id: l.id}
	}
	f.changed.times++
	if f.changed.times < 3 || now.Sub(f.changed.since) < needed {
		f.fail(now, err)
		return err
	}
	f.err = err
	f.nudge()
	return nil
}

// fail records that no partition of the topic can be read.
func (f *follower) fail(now time.Time, cause error) {
	for _, p := range f.partitions {
		if p.failing.IsZero() {
			p.failing = now
		}
		p.cause = cause
	}
}
