package hub

import (
	"context"
	"sync/atomic"

	"sluice/hub/filter"
)

// Feeds with predicates are matched behind the appender, by a goroutine that a log
// has for that: a predicate delays neither the stream nor who reads without one. Who
// is in step with the log reads up to where all predicates have been asked, as others
// read up to the tip. What is read from elsewhere, from a position of its own or late,
// is asked about by who reads it. Either way the verdicts stay with the chunk.

// evaluation is how far the predicates of a log's feeds have been asked.
type evaluation struct {
	log    *log
	signal chan struct{}
	// upTo has everything in front that feeds with predicates are to be given.
	upTo atomic.Pointer[mark]

	// Guarded by log.mu.
	feeds map[*Feed]struct{} // those with predicates
	open  map[*Feed]struct{} // of these, the ones that any key passes
	keyed keyIndex           // the others
	next  uint64             // the index up to which it is known whom to ask
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

// wake has predicates asked about what is new.
func (e *evaluation) wake() {
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

// evaluate asks the predicates of feeds about what is new, until the context ends.
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

// evaluator is the memory of the goroutine that asks.
type evaluator struct {
	*evaluation
	view filter.View

	// What is asked about: entries i to n of a chunk.
	chunk  *chunk
	i, n   int
	each   []*Feed     // those to ask about each
	single []entryFeed // those to ask about a single one, in its order
	woken  []*Feed
}

// entryFeed is a feed that has the key of an entry, or to which a gap is to be given.
type entryFeed struct {
	i    int
	feed *Feed
}

// gather finds out whom to ask about the next entries, if there are any. Where there
// are none, those are to be woken who have waited for that.
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
		// The log has given up what was not asked about yet, or was emptied.
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

// ask asks about what was gathered, about each record all who are to be asked.
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

// publish lets feeds have what passes.
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

// notify wakes feeds that something has passed for, or that have waited.
func (v *evaluator) notify() {
	for _, f := range v.woken {
		f.matching = false
		f.notify()
	}
	clear(v.woken)
	v.woken = v.woken[:0]
}

// tip is as far as the feed has been given what it is to have.
func (f *Feed) tip() *mark {
	if f.asked == nil {
		return f.log.tip.Load()
	}
	return f.log.evaluation.upTo.Load()
}

// awaitBehind has the feed woken when predicates have been asked about what is behind
// its tip. It reports false where they have been meanwhile.
func (f *Feed) awaitBehind(tip *mark) bool {
	if f.asked == nil || tip.index >= f.log.tip.Load().index {
		return true
	}
	f.asked.awaited.Store(true)
	return f.log.evaluation.upTo.Load() == tip
}

// lose is for a feed that has not been given what lies below the floor: whoever has
// not come so far reads it from Kafka, or is treated as the stream's policy says.
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

// Fault is why a predicate of the feed's filter has failed last, nil where none has.
func (f *Feed) Fault() error {
	if f.asked == nil {
		return nil
	}
	if fault := f.asked.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}
