package hub

import (
	"context"
	"sync"
	"sync/atomic"

	"sluice/hub/filter"
)

// Feeds whose filters look at more of a record than its key are matched after the
// append, by separate goroutines of the log, so that they delay neither the stream nor
// other subscriptions. Those without predicates have a goroutine of their own, which no
// predicate delays. A subscription in step with the log reads up to the index up to
// which the filters of its kind have been evaluated, as other subscriptions read up to
// the tip. On entries that are read elsewhere, from a position of its own or late, the
// subscription evaluates its filter itself. In both cases the verdicts of predicates are
// kept in the chunk; field sets are checked again, see [filter.Filter.Ask].

// The evaluations of a log.
const (
	ofFields     = iota // feeds with field sets and without predicates
	ofPredicates        // feeds with predicates
	evaluations         // their number
)

// evaluation is how far the filters of one kind of a log's feeds have been evaluated.
type evaluation struct {
	log    *log
	signal chan struct{}
	// upTo is the mark up to which the feeds have been given their matches.
	upTo atomic.Pointer[mark]

	// Guarded by log.mu.
	feeds map[*Feed]struct{}
	// changed are the feeds that are to be added to the index of the evaluator, with
	// true, or removed from it.
	changed map[*Feed]bool
	next    uint64 // the index up to which gather has found out which feeds to evaluate

	waiting struct {
		mu sync.Mutex
		// feeds are those of subscriptions that wait until all entries have been
		// evaluated, whatever the result.
		feeds map[*Feed]struct{}
	}
}

func (e *evaluation) init(l *log) {
	e.log, e.signal = l, make(chan struct{}, 1)
	e.feeds = make(map[*Feed]struct{})
	e.waiting.feeds = make(map[*Feed]struct{})
	e.upTo.Store(l.tip.Load())
}

// evaluationOf returns the evaluation for a filter, nil if a record's key alone decides.
func (l *log) evaluationOf(which *filter.Filter) *evaluation {
	switch {
	case which.KeysOnly():
		return nil
	case which.HasPredicates():
		return &l.evaluations[ofPredicates]
	}
	return &l.evaluations[ofFields]
}

// evaluated returns the number of feeds that are evaluated. The caller holds the lock.
func (l *log) evaluated() int {
	n := 0
	for k := range l.evaluations {
		n += len(l.evaluations[k].feeds)
	}
	return n
}

// add adds a feed, which is matched from now on. The caller holds the log's lock.
func (e *evaluation) add(f *Feed) {
	if len(e.feeds) == 0 {
		tip := e.log.tip.Load()
		e.next = tip.index
		e.upTo.Store(tip)
	}
	f.asked = &asked{evaluation: e}
	f.since = e.next
	e.feeds[f] = struct{}{}
	e.change(f, true)
}

// remove removes a feed. The caller holds the log's lock.
func (e *evaluation) remove(f *Feed) {
	delete(e.feeds, f)
	if e.changed[f] {
		delete(e.changed, f) // it has not been added to the index
	} else {
		e.change(f, false)
	}
	e.waiting.mu.Lock()
	delete(e.waiting.feeds, f)
	e.waiting.mu.Unlock()
}

// change has a feed added to the index, or removed from it.
func (e *evaluation) change(f *Feed, added bool) {
	if e.changed == nil {
		e.changed = make(map[*Feed]bool)
	}
	e.changed[f] = added
	e.wake()
}

// wake has the filters evaluated on new entries, and the index changed.
func (e *evaluation) wake() {
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

// run evaluates the filters of feeds on new entries, until the context ends.
func (e *evaluation) run(ctx context.Context) {
	v := evaluator{evaluation: e, index: newFeedIndex()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.signal:
		}
		for ctx.Err() == nil && v.gather() {
			v.ask()
			v.publish()
			v.notify()
		}
		v.notify()
		v.view.Release()
	}
}

// evaluator is the state of the goroutine that evaluates.
type evaluator struct {
	*evaluation
	index feedIndex // of all feeds that had been added when gather was called last
	view  filter.View

	// The entries to evaluate: i to n of a chunk.
	chunk *chunk
	i, n  int
	all   []*Feed // all feeds, if one of the entries is a gap
	found []*Feed // those of which a record may be a match
	woken []*Feed
}

// gather finds out which entries to evaluate next. It reports false when there are no
// new ones; the feeds that have waited for that are then to be woken.
func (v *evaluator) gather() bool {
	l := v.log
	l.mu.Lock()
	changed := v.changed
	v.changed = nil
	more := v.gatherEntries()
	l.mu.Unlock()
	// The index has all feeds that are to be given these entries, and no others: feeds
	// that are added from now on begin after them.
	for f, added := range changed {
		if added {
			v.index.add(f)
		} else {
			v.index.remove(f)
		}
	}
	return more
}

// gatherEntries is what gather does under the log's lock.
func (v *evaluator) gatherEntries() bool {
	l := v.log
	tip := l.tip.Load()
	if len(v.feeds) == 0 {
		v.next = tip.index
	}
	if v.next >= tip.index {
		v.upTo.Store(tip)
		v.waiting.mu.Lock()
		for f := range v.waiting.feeds {
			v.woken = append(v.woken, f)
		}
		clear(v.waiting.feeds)
		v.waiting.mu.Unlock()
		return false
	}
	if v.chunk, v.i = l.find(v.next); v.chunk == nil {
		// The log has removed entries before they were evaluated, or was emptied.
		floor := l.floor()
		for f := range v.feeds {
			f.lose(floor.base)
			v.woken = append(v.woken, f)
		}
		v.chunk, v.i = floor, 0
	}
	v.n = min(v.chunk.len(), int(tip.index-v.chunk.base), v.i+askAtOnce)
	v.next = v.chunk.base + uint64(v.n)
	for i := v.i; i < v.n; i++ {
		if v.chunk.at(i).kind == entryGap {
			for f := range v.feeds {
				v.all = append(v.all, f)
			}
			break
		}
	}
	return true
}

// ask gives the feeds their matches among the entries.
func (v *evaluator) ask() {
	for i := v.i; i < v.n; i++ {
		switch v.chunk.at(i).kind {
		case entryGap:
			for _, f := range v.all {
				v.match(f, i)
			}
		case entryRecord:
			v.found = v.index.find(v.found[:0], v.chunk, i, &v.view)
			for _, f := range v.found {
				if passes(&f.filter, v.chunk, i, &v.view) != filter.No {
					v.match(f, i)
				}
			}
		case entryAdvance:
		}
	}
}

// match gives a feed an entry.
func (v *evaluator) match(f *Feed, i int) {
	if f.match(v.chunk.base+uint64(i), v.log.floor().base) {
		v.woken = append(v.woken, f)
	}
}

// publish moves upTo past the entries that were evaluated.
func (v *evaluator) publish() {
	l := v.log
	l.mu.Lock()
	at := l.tip.Load()
	if at.index != v.chunk.base+uint64(v.n) {
		at = l.markIn(v.chunk, v.n)
	}
	if at.index > v.upTo.Load().index {
		v.upTo.Store(at)
	}
	l.mu.Unlock()
	clear(v.all)
	clear(v.found[:cap(v.found)])
	v.chunk, v.all = nil, v.all[:0]
}

// notify wakes the feeds that have new matches or have waited for the evaluation.
func (v *evaluator) notify() {
	for _, f := range v.woken {
		f.matching = false
		f.notify()
	}
	clear(v.woken)
	v.woken = v.woken[:0]
}

// tip returns the mark up to which the feed has been given its matches.
func (f *Feed) tip() *mark {
	if f.asked == nil {
		return f.log.tip.Load()
	}
	return f.asked.evaluation.upTo.Load()
}

// awaitBehind has the feed woken when filters have been evaluated beyond its tip. It
// reports false when that has happened in the meantime.
func (f *Feed) awaitBehind(tip *mark) bool {
	if f.asked == nil || tip.index >= f.log.tip.Load().index {
		return true
	}
	e := f.asked.evaluation
	e.waiting.mu.Lock()
	e.waiting.feeds[f] = struct{}{}
	e.waiting.mu.Unlock()
	return e.upTo.Load() == tip
}

// lose is called when entries below the floor were removed before the feed was given
// them: a subscription that has not reached the floor reads them from Kafka, or is
// treated according to the stream's policy.
func (f *Feed) lose(floor uint64) {
	f.mu.Lock()
	f.trim(floor)
	f.since = max(f.since, floor)
	f.mu.Unlock()
}

// failed reports whether a predicate of the feed has failed on an entry of a chunk,
// which is one of its matches.
func (f *Feed) failed(c *chunk, i int) bool {
	return f.filter.HasPredicates() && c.at(i).kind == entryRecord &&
		f.filter.AskPredicates(&c.verdicts, c, i, nil) == filter.Failed
}

// Fault returns the last failure of a predicate of the feed's filter, nil when there
// was none.
func (f *Feed) Fault() error {
	if f.asked == nil {
		return nil
	}
	if fault := f.asked.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}
