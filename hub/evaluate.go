package hub

import (
	"context"
	"sync/atomic"

	"sluice/hub/filter"
)

// Feeds with predicates are matched after the append, by a separate goroutine of the
// log, so that a predicate delays neither the stream nor subscriptions without
// predicates. A subscription in step with the log reads up to the index up to which
// all predicates have been evaluated, as other subscriptions read up to the tip. On
// entries that are read elsewhere, from a position of its own or late, the
// subscription evaluates the predicates itself. In both cases the verdicts are kept
// in the chunk.

// evaluation is how far the predicates of a log's feeds have been evaluated.
type evaluation struct {
	log    *log
	signal chan struct{}
	// upTo is the mark up to which feeds with predicates have been given their
	// matches.
	upTo atomic.Pointer[mark]

	// Guarded by log.mu.
	feeds map[*Feed]struct{} // those with predicates
	open  map[*Feed]struct{} // of these, those whose filters pass any key
	keyed keyIndex           // the others
	next  uint64             // the index up to which gather has found out which feeds to evaluate
}

func (e *evaluation) init(l *log) {
	e.log, e.signal = l, make(chan struct{}, 1)
	e.feeds, e.open, e.keyed = make(map[*Feed]struct{}), make(map[*Feed]struct{}), make(keyIndex)
	e.upTo.Store(l.tip.Load())
}

// add adds a feed, which is matched from now on. The caller holds the log's lock.
func (e *evaluation) add(f *Feed) {
	if len(e.feeds) == 0 {
		tip := e.log.tip.Load()
		e.next = tip.index
		e.upTo.Store(tip)
	}
	f.asked = &asked{}
	f.since = e.next
	e.feeds[f] = struct{}{}
	if f.filter.AnyKey() {
		e.open[f] = struct{}{}
	} else {
		e.keyed.add(f)
	}
}

// remove removes a feed. The caller holds the log's lock.
func (e *evaluation) remove(f *Feed) {
	delete(e.feeds, f)
	delete(e.open, f)
	e.keyed.remove(f)
}

// wake has the predicates evaluated on new entries.
func (e *evaluation) wake() {
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

// evaluate evaluates the predicates of feeds on new entries, until the context ends.
func (l *log) evaluate(ctx context.Context) {
	v := evaluator{evaluation: &l.evaluation}
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.evaluation.signal:
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
	view filter.View

	// The entries to evaluate: i to n of a chunk.
	chunk  *chunk
	i, n   int
	each   []*Feed     // the feeds to evaluate on every entry
	single []entryFeed // the feeds to evaluate on a single entry, in order of entries
	woken  []*Feed
}

// entryFeed is a feed that has the key of an entry, or that is given an entry that
// is a gap.
type entryFeed struct {
	i    int
	feed *Feed
}

// gather finds out which feeds to evaluate on the next entries. It reports false
// when there are no new entries; the feeds that have waited for that are then to be
// woken.
func (v *evaluator) gather() bool {
	l := v.log
	l.mu.Lock()
	defer l.mu.Unlock()
	tip := l.tip.Load()
	if len(v.feeds) == 0 {
		v.next = tip.index
	}
	if v.next >= tip.index {
		v.upTo.Store(tip)
		for f := range v.feeds {
			if f.asked.awaited.Swap(false) {
				v.woken = append(v.woken, f)
			}
		}
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
	for f := range v.open {
		v.each = append(v.each, f)
	}
	for i := v.i; i < v.n && len(v.keyed) > 0; i++ {
		switch e := v.chunk.at(i); {
		case e.kind == entryGap:
			for f := range v.feeds {
				if !f.filter.AnyKey() {
					v.single = append(v.single, entryFeed{i, f})
				}
			}
		case e.kind == entryRecord && e.keyEnd > 0:
			for _, f := range v.keyed[string(v.chunk.body(i)[e.keyStart:e.keyEnd])] {
				v.single = append(v.single, entryFeed{i, f})
			}
		}
	}
	return true
}

// ask evaluates what was gathered: on each record, all feeds before the next record.
func (v *evaluator) ask() {
	next := v.single
	for i := v.i; i < v.n; i++ {
		if v.chunk.at(i).kind == entryAdvance {
			continue
		}
		for _, f := range v.each {
			v.askOf(f, i)
		}
		for ; len(next) > 0 && next[0].i == i; next = next[1:] {
			v.askOf(next[0].feed, i)
		}
	}
}

func (v *evaluator) askOf(f *Feed, i int) {
	c := v.chunk
	if c.at(i).kind == entryRecord && f.filter.Ask(&c.verdicts, c, i, &v.view) == filter.No {
		return
	}
	if f.match(c.base+uint64(i), v.log.floor().base) {
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
	clear(v.each)
	clear(v.single)
	v.chunk, v.each, v.single = nil, v.each[:0], v.single[:0]
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
	return f.log.evaluation.upTo.Load()
}

// awaitBehind has the feed woken when predicates have been evaluated beyond its tip.
// It reports false when that has happened in the meantime.
func (f *Feed) awaitBehind(tip *mark) bool {
	if f.asked == nil || tip.index >= f.log.tip.Load().index {
		return true
	}
	f.asked.awaited.Store(true)
	return f.log.evaluation.upTo.Load() == tip
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

// failed reports whether a predicate of the feed has failed on an entry of a chunk.
func (f *Feed) failed(c *chunk, i int) bool {
	return f.asked != nil && c.at(i).kind == entryRecord && passes(&f.filter, c, i) == filter.Failed
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
