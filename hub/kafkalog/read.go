package kafkalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// minReadBytes is the least number of bytes that Read asks of a partition.
const minReadBytes = 16 << 10

// Read implements upstream.Source. If maxBytes is used up before every partition
// has been served, the remaining partitions are not visited; at least one
// partition that has records is. If a leader has moved or does not answer, Read
// tries again for a while before it returns ErrSourceUnavailable.
func (s *Source) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*upstream.Fetched)) error {
	r := reading{s: s, topic: topic, visit: visit, left: maxBytes}
	r.pending = append(r.pending, from...)
	pace := newBackoff()
	for try := 1; ; try++ {
		before := len(r.pending)
		r.moved = false
		err := r.once(ctx, try > 1)
		if len(r.pending) == 0 || err == nil && (r.left <= 0 || len(r.pending) == before && !r.moved) {
			return nil
		}
		if errors.Is(err, upstream.ErrLogChanged) {
			return fmt.Errorf("read %q: %w", topic.Name, err)
		}
		if err == nil {
			try = 0
			continue
		}
		if try >= attempts || !sleep(ctx, pace.NextBackOff()) {
			return fmt.Errorf("read %q: %w", topic.Name, ensureUnavailable(cmp.Or(ctx.Err(), err)))
		}
	}
}

// reading is one call of Read.
type reading struct {
	s       *Source
	topic   record.Topic
	visit   func(*upstream.Fetched)
	pending []record.PartitionOffset
	left    int  // bytes
	moved   bool // a partition still to be read has a new offset, or is read from another broker
	// leaders means that only leaders are asked, because a request to another
	// broker failed.
	leaders bool
	// deposed is the number of answers from a broker that led only earlier, and
	// confirmed means that all brokers report the same leader.
	deposed   int
	confirmed bool
	walk      walk
}

// once asks each broker that serves any of the pending partitions.
func (r *reading) once(ctx context.Context, fresh bool) error {
	var l layout
	var err error
	if r.deposed > 0 {
		l, r.confirmed, err = r.s.newestLayoutOf(ctx, r.topic)
	} else {
		l, err = r.s.layoutOf(ctx, r.topic, fresh)
	}
	if err != nil {
		return err
	}
	var failed error
	asked := make(map[int32]bool)
	for _, at := range append([]record.PartitionOffset(nil), r.pending...) {
		lead, ok := l.find(at.Partition)
		switch {
		case !ok:
			failed = fmt.Errorf("%q has no partition %d", r.topic.Name, at.Partition)
		case lead.leader < 0:
			failed = leaderless(r.topic.Name, lead)
		case !asked[r.serving(lead)] && r.left > 0:
			asked[r.serving(lead)] = true
			if err := r.broker(ctx, l, r.serving(lead)); err != nil {
				failed = err
			}
		}
	}
	if failed != nil {
		r.leaders = true
	}
	return failed
}

// serving returns the broker to ask for a partition: the nearest replica if one
// is known, else the leader.
func (r *reading) serving(lead leadership) int32 {
	if replica, ok := r.s.near.of(r.topic, lead.partition); ok && !r.leaders {
		return replica
	}
	return lead.leader
}

// broker asks one broker for all pending partitions that it serves.
func (r *reading) broker(ctx context.Context, l layout, broker int32) error {
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic.Name, l.id
	for _, at := range r.pending {
		if lead, ok := l.find(at.Partition); ok && r.serving(lead) == broker {
			t.Partitions = append(t.Partitions, fetchPartition(at, lead.epoch, 0))
		}
	}
	share := max(r.left*len(t.Partitions)/max(len(r.pending), 1), minReadBytes)
	share = min(share, maxAnswerBytes/2)
	for i := range t.Partitions {
		t.Partitions[i].PartitionMaxBytes = int32(max(share/len(t.Partitions), minReadBytes))
	}
	rack := r.s.cluster.config.Rack
	if r.leaders {
		rack = "" // else the leader might name a replica again
	}
	req := newFetchRequest(rack, 0, share)
	req.Topics = append(req.Topics, t)
	got, err := r.s.fetch(ctx, broker, req, !l.id.IsZero())
	if err != nil {
		for _, p := range t.Partitions {
			r.s.near.forget(r.topic, p.Partition)
		}
		return fmt.Errorf("fetch from broker %d: %w", broker, err)
	}
	defer got.release()
	f := r.s.inflaters.Get().(*inflater)
	defer r.s.inflaters.Put(f)
	var failed error
	for i := range got.partitions {
		p := &got.partitions[i]
		if r.elsewhere(l, p, broker) {
			continue
		}
		if err := r.partition(ctx, l, p, f); err != nil {
			failed = err
		}
	}
	return failed
}

// elsewhere reports whether a partition is to be read from another broker: from a
// replica that is nearer than the leader, or from the leader if a replica has no
// records. A replica can be behind, so only the leader knows whether an offset is
// lost or at the end.
func (r *reading) elsewhere(l layout, p *fetchedPartition, broker int32) bool {
	lead, ok := l.find(p.partition)
	if !ok || r.leaders {
		return false
	}
	if broker == lead.leader {
		if p.code != 0 || p.replica < 0 || p.replica == broker || len(p.records) > 0 {
			return false
		}
		r.s.near.keep(r.topic, p.partition, p.replica)
		r.moved = true
		return true
	}
	if p.code == 0 && p.divergedEnd < 0 && len(p.records) > 0 {
		return false
	}
	if p.code != 0 {
		r.s.near.forget(r.topic, p.partition)
	}
	r.leaders, r.moved = true, true
	return true
}

// partition visits what a fetch brought from one partition and removes the
// partition from those pending.
func (r *reading) partition(ctx context.Context, l layout, p *fetchedPartition, f *inflater) error {
	var at record.PartitionOffset
	found := false
	for _, t := range r.pending {
		if t.Partition == p.partition {
			at, found = t, true
		}
	}
	if !found {
		return nil
	}
	lead, _ := l.find(p.partition)
	to, diverges := diverged(p, at)
	if (diverges || p.code == codeOffsetOutOfRange) && lead.deposed(at) && (!r.confirmed || r.deposed < deposedPatience) {
		r.deposed++
		return fmt.Errorf("fetch partition %d: %w", p.partition, errDeposed)
	}
	if p.code == codeOffsetOutOfRange {
		return r.relocate(ctx, l, at)
	}
	if err := kafkaError(p.code); err != nil {
		return fmt.Errorf("fetch partition %d: %w", p.partition, err)
	}
	out := upstream.Fetched{Partition: p.partition, Next: at, Start: p.start, Tip: p.stable}
	if diverges {
		if out.Next, out.Gap = to, truncated(at, to); out.Gap == nil {
			// The log has no records of that epoch, because its leader wrote
			// none, and all records before that epoch. Reading continues from
			// there, as the original offset would get the same answer again and
			// again.
			r.again(to)
			return nil
		}
		r.visited(&out)
		return nil
	}
	r.walk.begin(p, at)
	if len(p.records) == 0 && at.Offset < p.stable && len(r.pending) > 1 {
		return nil // there was no room for it; the next round reads it
	}
	for more := true; more; {
		f.reset()
		r.walk.next(f, r.s.config.InflatedBytes)
		out.Next, out.Bytes, out.Gap, out.Each = r.walk.position, r.walk.bytes, nil, nil
		if r.walk.gap.Reason != "" {
			gap := r.walk.gap
			out.Gap = &gap
		}
		if r.walk.visible > 0 {
			out.Each = r.walk.each
		}
		more = len(r.walk.rest) > 0
		r.visited(&out)
	}
	r.left -= len(p.records)
	return nil
}

func (r *reading) visited(out *upstream.Fetched) {
	for i, t := range r.pending {
		if t.Partition == out.Partition {
			r.pending = append(r.pending[:i], r.pending[i+1:]...)
			break
		}
	}
	r.visit(out)
}

// again makes a partition be read once more, from an offset of an earlier epoch.
func (r *reading) again(at record.PartitionOffset) {
	for i := range r.pending {
		if r.pending[i].Partition == at.Partition && r.pending[i].Epoch > at.Epoch {
			r.pending[i], r.moved = at, true
		}
	}
}

func (r *reading) relocate(ctx context.Context, l layout, at record.PartitionOffset) error {
	lead, _ := l.find(at.Partition)
	to, gap, err := r.s.cluster.relocate(ctx, l.name, lead, at)
	if err == nil && gap == nil && to == at {
		to, gap, err = r.s.cluster.restart(ctx, l.name, lead, at)
	}
	if err != nil {
		return err
	}
	r.visited(&upstream.Fetched{Partition: at.Partition, Gap: gap, Next: to, Start: -1, Tip: -1})
	return nil
}

// fetchPartition asks for the records from an offset on.
func fetchPartition(at record.PartitionOffset, leaderEpoch int32, maxBytes int) kmsg.FetchRequestTopicPartition {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition = at.Partition
	p.CurrentLeaderEpoch = leaderEpoch
	p.FetchOffset = at.Offset
	p.LastFetchedEpoch = at.Epoch
	p.PartitionMaxBytes = int32(maxBytes)
	return p
}

// diverged reports whether the log was truncated below an offset, and where
// reading continues.
func diverged(p *fetchedPartition, at record.PartitionOffset) (record.PartitionOffset, bool) {
	if p.divergedEnd < 0 || at.Epoch < 0 {
		return at, false
	}
	return record.PartitionOffset{
		Partition: at.Partition, Epoch: p.divergedEpoch, Offset: min(p.divergedEnd, at.Offset),
	}, true
}

// fetch sends a fetch with the version that the broker is known to support.
func (s *Source) fetch(ctx context.Context, broker int32, req *kmsg.FetchRequest, byID bool) (*fetched, error) {
	s.mu.Lock()
	version := s.versions[broker]
	s.mu.Unlock()
	got, err := s.cluster.fetch(ctx, broker, req, version, byID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		// The broker may come back with another version.
		delete(s.versions, broker)
		return nil, err
	}
	s.versions[broker] = got.version
	return got, nil
}
