package hub

import (
	"context"
	"slices"

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
	reached
	log    *log
	signal chan struct{}

	// Guarded by log.mu.
	feeds map[*Feed]struct{}
	// clients are those who have subscriptions to feeds with predicates, with the numbers
	// of these.
	clients map[client]int
	// changed are the feeds that are to be added to the index of the evaluator, with
	// true, or removed from it.
	changed map[*Feed]bool
	next    uint64 // the index up to which gather has found out which feeds to evaluate
	apart   struct {
		// feeds are those that are evaluated each in turns of its own.
		feeds  map[*Feed]struct{}
		signal chan struct{}
	}
}

func (e *evaluation) init(l *log) {
	e.log, e.signal, e.apart.signal = l, make(chan struct{}, 1), make(chan struct{}, 1)
	e.feeds, e.apart.feeds = make(map[*Feed]struct{}), make(map[*Feed]struct{})
	e.clients = make(map[client]int)
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
		n += len(l.evaluations[k].feeds) + len(l.evaluations[k].apart.feeds)
	}
	return n
}

// add adds a feed, which is matched from now on. The caller holds the log's lock.
func (e *evaluation) add(f *Feed) {
	e.begin()
	f.asked = &asked{}
	f.asked.at.Store(&e.reached)
	f.since = e.next
	e.feeds[f] = struct{}{}
	e.change(f, true)
}

// begin lets the evaluation of the first feed begin at the tip.
func (e *evaluation) begin() {
	if len(e.feeds) == 0 {
		tip := e.log.tip.Load()
		e.next = tip.index
		e.upTo.Store(tip)
	}
}

// remove removes a feed. The caller holds the log's lock.
func (e *evaluation) remove(f *Feed) {
	if a := f.asked.apart; a != nil {
		delete(e.apart.feeds, f)
		e.log.turns.remove(&a.task)
		return
	}
	delete(e.feeds, f)
	if e.changed[f] {
		delete(e.changed, f) // it has not been added to the index
	} else {
		e.change(f, false)
	}
	e.leave(f)
}

// takeBack has a feed that was evaluated apart evaluated with the others again, if these
// are not further. It skips the entries that it has been evaluated on, and its
// subscriptions, which have read these, wait until the others' mark is behind them. The
// caller holds the log's lock, and evaluates the feed.
func (e *evaluation) takeBack(f *Feed) bool {
	e.begin()
	a := f.asked.apart
	if e.next > a.next {
		return false
	}
	f.asked.from = a.next
	delete(e.apart.feeds, f)
	e.log.turns.remove(&a.task)
	f.asked.apart = nil
	e.feeds[f] = struct{}{}
	e.change(f, true)
	f.asked.at.Store(&e.reached)
	return true
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
func (e *evaluation) wake() { ring(e.signal) }

// appended has the filters of feeds evaluated on new entries. The caller holds the log's
// lock.
func (e *evaluation) appended() {
	if len(e.feeds) > 0 {
		e.wake()
	}
	if len(e.apart.feeds) > 0 {
		ring(e.apart.signal)
	}
}

// run evaluates the filters of feeds on new entries, until the context ends.
func (e *evaluation) run(ctx context.Context) {
	v := evaluator{evaluation: e, index: newFeedIndex(), tabs: make(tabs)}
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.signal:
		}
		for ctx.Err() == nil && v.gather() {
			v.ask()
			v.setApart()
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
	tabs  tabs
	// unmeasured is the number of evaluations in a row, of any filters, that were not
	// measured.
	unmeasured int
	// several is set while there are several clients, so that one can delay others.
	several bool

	// The entries to evaluate: i to n of a chunk.
	chunk *chunk
	i, n  int
	all   []*Feed // all feeds, if one of the entries is a gap
	found []*Feed // those of which a record may be a match
	woken []*Feed
	// Those that have waited, and those whose filters have turned out to be costly.
	waited []waiter
	costly []*Feed
}

// gather finds out which entries to evaluate next. It reports false when there are no
// new ones; the feeds that have waited for that are then to be woken.
func (v *evaluator) gather() bool {
	l := v.log
	l.mu.Lock()
	changed := v.changed
	v.changed = nil
	v.several = len(v.clients) > 1
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
		v.waited = v.release(v.waited)
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
		index := v.chunk.base + uint64(i)
		switch v.chunk.at(i).kind {
		case entryGap:
			for _, f := range v.all {
				if f.asked.takes(index) {
					v.match(f, index, filter.Yes)
				}
			}
		case entryRecord:
			v.found = v.index.find(v.found[:0], v.chunk, i, &v.view)
			for _, f := range v.found {
				if !f.asked.takes(index) {
					continue
				}
				if said := v.passes(f, i); said == filter.Yes || said == filter.Failed {
					v.match(f, index, said)
				}
			}
		case entryAdvance:
		}
	}
}

// passes returns the verdict of a feed's filter on a record, Unknown if it is not to be
// evaluated here. It measures how long the filter takes. One that seems costly is asked
// once more for that: the parts of the record that all filters share have been parsed by
// then, and the goroutine is unlikely to be interrupted twice.
func (v *evaluator) passes(f *Feed, i int) filter.Verdict {
	if !f.filter.HasPredicates() {
		return passes(&f.filter, v.chunk, i, &v.view)
	}
	index := v.chunk.base + uint64(i)
	if v.several && v.tabs.sheds(f, v.log.now) {
		v.moveApart(f, index)
		return filter.Unknown
	}
	if v.unmeasured++; !f.asked.cost.due() && v.unmeasured < mostUnmeasured {
		return passes(&f.filter, v.chunk, i, &v.view)
	}
	v.unmeasured = 0
	began := v.log.now()
	verdict := passes(&f.filter, v.chunk, i, &v.view)
	now := v.log.now()
	spent, times := now.Sub(began), f.asked.cost.each
	if spent > quickCost && verdict != filter.Failed {
		began = now
		_, _ = f.filter.Passes(v.view.At(v.chunk, i)) // the verdict is known
		now = v.log.now()
		spent, times = min(spent, now.Sub(began)), times+1
	}
	if v.several {
		v.tabs.charge(f, spent, times, now)
	}
	if f.asked.cost.add(spent, index) {
		v.moveApart(f, index+1)
	}
	return verdict
}

// mostUnmeasured bounds the number of evaluations in a row, of any filters, that are not
// measured: very many may become costly at once.
const mostUnmeasured = 8

// moveApart has a feed evaluated apart from an index on.
func (v *evaluator) moveApart(f *Feed, from uint64) {
	f.asked.costly, f.asked.from = true, from
	v.costly = append(v.costly, f)
}

// setApart has the feeds with costly filters evaluated apart, from the entry on at which
// they turned out to be. It comes before publish, which is no longer for them.
func (v *evaluator) setApart() {
	l := v.log
	for _, f := range v.costly {
		l.mu.Lock()
		_, ok := v.feeds[f]
		if ok {
			delete(v.feeds, f)
			a := &apart{next: f.asked.from}
			a.upTo.Store(l.markIn(v.chunk, int(a.next-v.chunk.base)))
			f.asked.apart, f.asked.costly, f.asked.cost = a, false, cost{}
			v.woken = slices.DeleteFunc(v.woken, func(woken *Feed) bool { return woken == f })
			f.matching = false
			v.index.remove(f)
			v.apart.feeds[f] = struct{}{}
			f.asked.at.Store(&a.reached)
			ring(v.apart.signal)
		}
		l.mu.Unlock()
		if ok {
			v.leave(f)
			f.notify()
		}
	}
	clear(v.costly)
	v.costly = v.costly[:0]
}

// match gives a feed an entry on which its filter has a verdict.
func (v *evaluator) match(f *Feed, index uint64, said filter.Verdict) {
	if f.match(index, v.log.floor().base, said) {
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
	for _, f := range v.waited {
		f.notify()
	}
	clear(v.woken)
	clear(v.waited)
	v.woken, v.waited = v.woken[:0], v.waited[:0]
}
