package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// poll sends a fetch and hands out what it brought.
func (b *broker) poll(ctx context.Context, p *poll) {
	got, err := b.s.fetch(ctx, b.id, p.req, p.byID)
	now := time.Now()
	if err != nil {
		b.lost(ctx, p, now, err)
		return
	}
	defer got.release()
	if lost := b.distribute(p, got, now); len(lost) > 0 {
		b.relocate(ctx, lost)
	}
}

// over marks the poll as ended. The caller holds mu.
func (b *broker) over(p *poll) {
	if p.lane {
		b.lanes--
	} else {
		b.polling = false
	}
}

// lost handles a poll that failed: its partitions become available for fetches
// again.
func (b *broker) lost(ctx context.Context, p *poll, now time.Time, err error) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.over(p)
	if ctx.Err() != nil {
		for _, part := range p.parts {
			part.free()
		}
		return
	}
	err = fmt.Errorf("fetch from broker %d: %w", b.id, err)
	if b.retry == nil {
		b.retry = newBackoff()
		b.s.log.Warn("broker unavailable for reads; retrying", "broker", b.id, "cause", err)
	}
	b.retryAt = now.Add(b.retry.NextBackOff())
	for _, part := range p.parts {
		part.failed(now, err)
		part.replica = -1
		// These partitions are fetched again when the broker's own pause is over.
		part.retryAt = time.Time{}
		part.free()
	}
	b.s.refresh()
}

// distribute hands the records of an answer to the followers. It returns the
// partitions whose offsets are out of range; these stay busy.
func (b *broker) distribute(p *poll, got *fetched, now time.Time) (lost []outOfRange) {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b.over(p)
	b.retry, b.retryAt = nil, time.Time{}
	if !got.byID {
		b.warnUnguarded(p)
	}
	var t *turn
	if !p.lane {
		t = &turn{until: now.Add(grace)}
		b.turn = t
	}
	deliveries := make(map[*follower]*delivery)
	answered := make([]bool, len(p.parts))
	hint := 0
	for i := range got.partitions {
		in := &got.partitions[i]
		n := p.match(in, got.byID, hint)
		if n < 0 || answered[n] {
			continue
		}
		answered[n] = true
		hint = n + 1
		part := p.parts[n]
		out, gap := b.accept(part, in, p.asked[n], now)
		switch {
		case part.f.gone:
			part.free()
		case out == isOutOfRange:
			part.waiting = time.Time{}
			lost = append(lost, outOfRange{part, p.asked[n]})
		case out == hasRecords, out == hasGap:
			d := deliveries[part.f]
			if d == nil {
				d = &delivery{}
				deliveries[part.f] = d
			}
			part.waiting = time.Time{}
			if out == hasRecords {
				part.walk.begin(in, p.asked[n])
				part.walk.whole = part.stuck >= patience
				d.parts = append(d.parts, part)
			} else {
				d.gaps = append(d.gaps, gap)
			}
		default:
			part.free()
		}
	}
	for n, ok := range answered {
		if !ok {
			p.parts[n].failed(now, fmt.Errorf("the partition is missing in the response of broker %d", b.id))
			p.parts[n].free()
		}
	}
	for f, d := range deliveries {
		if len(d.parts) > 0 {
			got.hold()
			d.got = got
		}
		if t != nil && !f.slow {
			t.left++
			d.turn = t
		}
		f.post(d)
	}
	return lost
}

// match finds the partition of a poll that an answer is for, -1 if there is none.
// Brokers answer roughly in the order of the request.
func (p *poll) match(in *fetchedPartition, byID bool, hint int) int {
	for i := range p.parts {
		n := (hint + i) % len(p.parts)
		part := p.parts[n]
		if p.asked[n].Partition != in.partition {
			continue
		}
		if byID && part.f.id == in.id || !byID && part.f.topic.Name == in.topic {
			return n
		}
	}
	return -1
}

// outcome is what a fetch brought for a partition.
type outcome int

const (
	hasNothing outcome = iota
	hasRecords
	hasGap
	isOutOfRange
)

func (b *broker) accept(part *partition, in *fetchedPartition, at record.PartitionOffset, now time.Time) (outcome, upstream.Fetched) {
	to, diverges := diverged(in, at)
	if (diverges || in.code == codeOffsetOutOfRange) && part.lead.deposed(at) && (!part.confirmed || part.deposed < deposedPatience) {
		part.deposed++
		part.failed(now, fmt.Errorf("broker %d: %w", b.id, errDeposed))
		b.s.refresh()
		return hasNothing, upstream.Fetched{}
	}
	if in.code == codeOffsetOutOfRange {
		if part.lead.leader != b.id {
			b.askLeader(part, now, kafkaError(in.code))
			return hasNothing, upstream.Fetched{}
		}
		return isOutOfRange, upstream.Fetched{}
	}
	if err := kafkaError(in.code); err != nil {
		part.failed(now, fmt.Errorf("broker %d: %w", b.id, err))
		part.replica = -1
		if in.code == codeUnsupportedVersion {
			delete(b.s.versions, b.id)
		}
		b.s.refresh()
		return hasNothing, upstream.Fetched{}
	}
	if diverges && part.lead.leader != b.id {
		b.askLeader(part, now, errShorter)
		return hasNothing, upstream.Fetched{}
	}
	part.reached()
	part.strange, part.deposed, part.confirmed, part.strict = 0, 0, false, false
	if diverges {
		gap := truncated(at, to)
		if gap != nil {
			b.s.log.Warn("the log of a partition was truncated", "topic", part.f.topic.Name, "partition", at.Partition,
				"offset", at.Offset, "epoch", at.Epoch, "end", in.divergedEnd, "end_epoch", in.divergedEpoch,
				"leader", part.lead.leader, "leader_epoch", part.lead.epoch)
		}
		return hasGap, upstream.Fetched{Partition: at.Partition, Gap: gap, Next: to, Start: in.start, Tip: in.stable}
	}
	if in.replica >= 0 && in.replica != b.id && len(in.records) == 0 {
		part.replica, part.replicaUntil = in.replica, now.Add(replicaFor)
		b.s.refresh()
		return hasNothing, upstream.Fetched{}
	}
	if len(in.records) > 0 {
		return hasRecords, upstream.Fetched{}
	}
	if at.Offset < in.stable {
		b.prefer(part)
	}
	return hasNothing, upstream.Fetched{}
}

// errShorter means that a replica's log ends before the offset.
var errShorter = errors.New("the replica's log is shorter")

// askLeader makes the leader serve a partition after a replica has reported that
// an offset is not in its log. The replica can be behind; only the leader knows.
func (b *broker) askLeader(part *partition, now time.Time, cause error) {
	part.replica, part.strict = -1, true
	part.failed(now, fmt.Errorf("broker %d: %w", b.id, cause))
	b.s.refresh()
}

// warnUnguarded logs once per topic what a read by name does not detect.
func (b *broker) warnUnguarded(p *poll) {
	for _, part := range p.parts {
		name := part.f.topic.Name
		if _, ok := b.s.unguarded[name]; ok {
			continue
		}
		b.s.unguarded[name] = struct{}{}
		b.s.log.Warn("the broker does not support fetch by topic ID (Kafka 3.1 or later): if the topic is recreated, "+
			"its records can be taken for records of the deleted topic until the metadata is refreshed", "topic", name, "broker", b.id)
	}
}
