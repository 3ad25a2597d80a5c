package hub

import (
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
)

// A subscription evaluates its filter itself on what it reads before it is in step with
// its feed: from Kafka, or from a position of its own in the log. If the filter has
// predicates, and they are not known to be quick, it has that done in a turn of its
// client, in another goroutine, and waits. The turn leaves its answers in the chunk or the
// block, from where the subscription, and others with the same filter, take them.

// inquires reports whether the subscription waits for a turn.
func (s *Subscription) inquires() bool { return s.inquiry != nil && s.inquiry.waiting.Load() }

// inquireAt has the filter evaluated on the entries of the log from an index on.
func (s *Subscription) inquireAt(index uint64) progress {
	q := s.nextInquiry()
	q.index, q.late, q.cache = index, false, nil
	return q.wait()
}

// inquireLate has the filter evaluated on the cached entries that the subscription reads
// next of a partition.
func (s *Subscription) inquireLate(partition int32) progress {
	q := s.nextInquiry()
	q.late, q.cache = true, s.late.cache
	var ok bool
	if q.place, ok = s.own.Find(partition); !ok {
		q.place = record.PartitionOffset{Partition: partition, Epoch: -1}
	}
	return q.wait()
}

// nextInquiry returns the subscription's inquiry, which must not be waiting.
func (s *Subscription) nextInquiry() *inquiry {
	if s.inquiry == nil {
		q := &inquiry{sub: s, feed: s.feed}
		q.run = q.turn
		q.clients = func(dst []client) []client { return append(dst, s.client) }
		s.inquiry = q
	}
	return s.inquiry
}

func (q *inquiry) wait() progress {
	q.waiting.Store(true)
	q.sub.hub.turns.add(&q.task)
	return waiting
}

// turn evaluates for some time. What more there is, the subscription asks for.
func (q *inquiry) turn(view *filter.View, atMost time.Duration) (more bool) {
	if c, i := q.find(); c != nil {
		q.feed.evaluate(c, i, view, atMost)
	}
	owner := q.sub.owner
	q.waiting.Store(false)
	owner.Pump()
	return false
}

// find returns the chunk or block and the first entry. It returns nil if these have been
// removed from memory meanwhile: what waits for a turn keeps none of them there.
func (q *inquiry) find() (*chunk, int) {
	if !q.late {
		return q.sub.log.find(q.index)
	}
	blocks := q.sub.hub.blocks
	blocks.mu.Lock()
	defer blocks.mu.Unlock()
	if b, i := q.cache.part(q.place.Partition).find(q.place.Offset); b != nil && b.agrees(q.place, i) {
		return b.chunk, i
	}
	return nil, 0
}

// evaluate evaluates the feed's predicates on the records of a chunk from entry i on, for
// about that long.
func (f *Feed) evaluate(c *chunk, i int, view *filter.View, atMost time.Duration) {
	evaluated, looked, spent := 0, 0, time.Duration(0)
	began := f.log.now()
	for n := c.len(); i < n && spent < atMost; i++ {
		if c.at(i).kind == entryRecord && keyPasses(&f.filter, c, i) && f.filter.Known(&c.verdicts, c, i, view) == filter.Unknown {
			f.filter.Ask(&c.verdicts, c, i, view)
			evaluated++
		} else if looked++; looked%askedBetweenLooks != 0 {
			continue
		}
		spent = f.log.now().Sub(began)
	}
	f.asked.price.add(evaluated, spent)
}

// judge returns the verdict of the subscription's filter on readable entry i of a chunk.
// It is Unknown if the filter is not to be evaluated on it now.
func (s *Subscription) judge(c *chunk, i int) filter.Verdict {
	f, j := s.feed, &s.judging
	switch {
	case !f.filter.HasPredicates():
		return passes(&f.filter, c, i, nil)
	case !keyPasses(&f.filter, c, i):
		return filter.No
	case c.at(i).kind != entryRecord:
		return filter.Yes
	}
	if said := f.filter.Known(&c.verdicts, c, i, nil); said != filter.Unknown {
		return said
	}
	if s.aside || !f.asked.price.quick.Load() {
		j.halted, j.unknown = true, true
		return filter.Unknown
	}
	if j.spent > askTime {
		j.halted = true
		return filter.Unknown
	}
	began := s.hub.now()
	said := f.filter.Ask(&c.verdicts, c, i, nil)
	j.spent += s.hub.now().Sub(began)
	j.evaluated++
	return said
}
