package kafkalog

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
)

// run starts fetches until the context ends, and then waits for them.
func (b *broker) run(ctx context.Context) {
	done := make(chan struct{})
	running := 0
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		polls, again := b.next(time.Now())
		for _, p := range polls {
			running++
			go func() {
				defer func() { done <- struct{}{} }()
				b.poll(ctx, p)
			}()
		}
		timer.Reset(again)
		select {
		case <-ctx.Done():
			for ; running > 0; running-- {
				<-done
			}
			return
		case <-done:
			running--
		case <-b.wake:
		case <-timer.C:
		}
	}
}

// next makes the fetches that are due. again is when to call it next, unless an
// event comes first.
func (b *broker) next(now time.Time) (polls []*poll, again time.Duration) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	const idle = time.Minute
	again = idle
	if wait := b.retryAt.Sub(now); wait > 0 {
		return nil, wait
	}
	if b.turn != nil && b.turn.left > 0 && !b.polling {
		if wait := b.turn.until.Sub(now); wait > 0 {
			return nil, wait
		}
	}
	b.turn = nil
	for {
		if b.polling && b.lanes == lanes {
			return polls, again
		}
		p, soonest := b.gather(now)
		if !soonest.IsZero() {
			again = min(again, max(soonest.Sub(now), 0))
		}
		if p == nil {
			return polls, again
		}
		b.start(p, now)
		polls = append(polls, p)
	}
}

// gather makes a fetch of all partitions that can be fetched together now, nil if
// there are none. soonest is when the next of the other partitions is due, zero
// if only an event can make one due.
func (b *broker) gather(now time.Time) (p *poll, soonest time.Time) {
	type key struct {
		name string
		id   record.TopicID
	}
	var seen map[key]bool
	for _, sh := range b.shares {
		if sh.f.pending > 0 || sh.f.err != nil {
			continue
		}
		byID := !sh.f.id.IsZero()
		k := key{sh.f.topic.Name, sh.f.id}
		// A request names a topic at most once, and names all topics by id or all
		// by name.
		if p != nil && (p.byID != byID || seen[k]) {
			continue
		}
		var topic *kmsg.FetchRequestTopic
		for _, part := range sh.parts {
			if part.busy {
				continue
			}
			if part.retryAt.After(now) {
				if soonest.IsZero() || part.retryAt.Before(soonest) {
					soonest = part.retryAt
				}
				continue
			}
			if p == nil {
				p = &poll{byID: byID, req: newFetchRequest(b.s.cluster.config.Rack, 0, b.s.config.MaxBytes)}
				seen = make(map[key]bool)
			}
			if topic == nil {
				seen[k] = true
				p.req.Topics = append(p.req.Topics, kmsg.NewFetchRequestTopic())
				topic = &p.req.Topics[len(p.req.Topics)-1]
				topic.Topic, topic.TopicID = sh.f.topic.Name, sh.f.id
			}
			size := min(b.s.config.PartitionMaxBytes<<min(part.stuck, patience), maxAnswerBytes/2)
			if part.strict {
				p.req.Rack = ""
			}
			topic.Partitions = append(topic.Partitions, fetchPartition(part.next, part.lead.epoch, size))
			p.parts = append(p.parts, part)
			p.asked = append(p.asked, part.next)
		}
	}
	return p, soonest
}

// start makes a poll the long poll or, if one is in progress, a lane.
func (b *broker) start(p *poll, now time.Time) {
	wait := b.s.config.MaxWait
	for _, part := range p.parts {
		part.busy = true
		if !part.failing.IsZero() {
			wait = min(wait, probeWait)
		}
	}
	if b.polling {
		b.lanes++
		p.lane = true
		if left := b.pollEnds.Sub(now) - laneMargin; left > 0 {
			wait = min(wait, left)
		}
		if b.lanes > longLanes {
			wait = min(wait, shortLane)
		}
	} else {
		b.polling = true
		b.pollEnds = now.Add(wait)
		b.rotate()
	}
	for _, part := range p.parts {
		part.waiting = now.Add(wait)
	}
	p.req.MaxWaitMillis = int32(max(wait.Milliseconds(), 1))
}

// rotate changes which partitions come first in the next long poll: brokers serve
// partitions in the order of the request until the answer is full.
func (b *broker) rotate() {
	if len(b.shares) == 0 {
		return
	}
	first := b.shares[0]
	copy(b.shares, b.shares[1:])
	b.shares[len(b.shares)-1] = first
	for _, sh := range b.shares {
		part := sh.parts[0]
		copy(sh.parts, sh.parts[1:])
		sh.parts[len(sh.parts)-1] = part
	}
}
