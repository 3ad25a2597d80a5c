package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
)

// A subscription evaluates its filter itself on what it reads before it is in step with
// its feed: from Kafka, or from a position of its own in the log. If the filter has
// predicates, and they are not known to be quick, it has that done in a turn of its
// client, in another goroutine, and waits. The turn leaves its answers in the chunk or the
// block, from where the subscription, and others with the same filter, take them.

// inquiry is what a subscription wants to have evaluated in a turn.
type inquiry struct {
	task
	sub *Subscription
	// waiting is set until the turn has ended.
	waiting atomic.Bool

	// The first entry, owned by the turn while waiting is set: an index in the log, or a
	// position in a block.
	index uint64
	late  bool
	place record.PartitionOffset
	cache *blockCache
}

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
		q := &inquiry{sub: s}
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
		q.sub.feed.evaluate(c, i, view, atMost)
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

// judging is what a subscription has evaluated itself in a call of deliver.
type judging struct {
	evaluated int
	spent     time.Duration
	// halted is set when it has come to a record that is not to be evaluated now, unknown
	// if that is to be done in a turn.
	halted, unknown bool
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

const (
	// lateCredit is by how much more than quickCost a record a filter may take, on what
	// late subscriptions read, to be evaluated by these.
	lateCredit = 16 * quickCost
	// quickAfter is on how many records a filter must have been quick for that.
	quickAfter = 32
)

// price is what it costs to evaluate a filter on what late subscriptions read. It is safe
// for concurrent use.
type price struct {
	// quick is set while subscriptions may evaluate the filter themselves. A filter that
	// is new is not known to be quick.
	quick atomic.Bool

	mu        sync.Mutex
	evaluated int // lately
	spent     time.Duration
}

// add adds evaluations, and the time that they took.
func (p *price) add(evaluated int, spent time.Duration) {
	if evaluated == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.evaluated += evaluated
	p.spent += spent
	may := time.Duration(p.evaluated) * quickCost
	switch {
	case p.spent > may+lateCredit:
		p.quick.Store(false)
	case p.evaluated < quickAfter:
		return
	default:
		p.quick.Store(p.spent < may/2 || p.quick.Load() && p.spent < may)
	}
	p.evaluated, p.spent = 0, 0
}
