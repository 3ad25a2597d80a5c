package hub

import (
	"context"
	"time"

	"sluice/hub/filter"
)

// A filter that turns out to be costly is evaluated apart from the others of its stream:
// in turns of its principals, and with its own mark up to which its subscriptions read, so
// that it delays nobody but them. What it would have to be asked about waits in the log,
// as it does for a slow client. If records wait for longer than Limits.FilterLag, the
// subscriptions of the filter end with FilterFailed.

// apart is the state of a feed that is evaluated apart from others.
type apart struct {
	reached
	task
	feed *Feed
	of   *evaluation
	// next is the index of the next entry to evaluate. It is changed under log.mu.
	next uint64

	// Owned by the turn in which the feed is evaluated.

	// due is the tip that has to be reached next, and was appended at its time.
	due *mark
	// The number of entries that were evaluated lately, and the time that they took.
	entries int
	spent   time.Duration
	// quick is set while the filter is quick again.
	quick bool
}

// newApart returns the state of a feed that is evaluated apart from an index on, which is
// in a chunk.
func newApart(f *Feed, of *evaluation, c *chunk, next uint64) *apart {
	a := &apart{feed: f, of: of, next: next}
	a.upTo.Store(of.log.markIn(c, int(next-c.base)))
	a.run, a.clients = a.turn, f.someClients
	return a
}

// runApart has costly filters evaluated on new entries, until the context ends.
func (e *evaluation) runApart(ctx context.Context) {
	var behind []*apart
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.apart.signal:
		}
		behind = e.behind(behind)
		for _, a := range behind {
			e.log.turns.add(&a.task)
		}
		clear(behind)
	}
}

// behind returns the feeds that are to be evaluated on something, in the memory of dst.
func (e *evaluation) behind(dst []*apart) []*apart {
	dst = dst[:0]
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	tip := l.tip.Load()
	for f := range e.apart.feeds {
		if a := f.asked.apart; a.next < tip.index || a.upTo.Load() != tip {
			dst = append(dst, a)
		}
	}
	return dst
}

// turn evaluates the filter until it has reached the tip, or has taken its time. It
// reports whether more remains.
func (a *apart) turn(view *filter.View, atMost time.Duration) (behind bool) {
	f, l := a.feed, a.of.log
	began := l.now()
	tip, floor := l.tip.Load(), l.floor()
	if a.due == nil || a.next >= a.due.index { // nothing has waited
		a.due = tip
	}
	next, matched := a.next, false
	for spent := time.Duration(0); next < tip.index && spent < atMost; spent = l.now().Sub(began) {
		c, i := l.find(next)
		if c == nil {
			// The log has removed entries before they were evaluated, or was emptied.
			floor = l.floor()
			f.lose(floor.base)
			next, matched, a.due = floor.base, true, tip
			continue
		}
		n := min(c.len(), int(tip.index-c.base), i+askedBetweenLooks)
		for ; i < n; i++ {
			asks := c.at(i).kind == entryRecord && keyPasses(&f.filter, c, i)
			if c.at(i).kind != entryAdvance {
				if said := passes(&f.filter, c, i, view); said != filter.No {
					f.match(c.base+uint64(i), floor.base, said)
					matched = true
				}
			}
			if asks && l.now().Sub(began) >= atMost {
				i++
				break
			}
		}
		next = c.base + uint64(i)
	}
	if next >= a.due.index {
		a.due = tip
	}
	now := l.now()
	a.add(int(next-a.next), now.Sub(began))
	behind = next < tip.index
	if lag := l.filterLag(); behind && lag > 0 && now.Sub(a.due.made) > lag {
		a.end()
		return false
	}
	// Once it is evaluated with the others, matching is theirs.
	matched = matched || f.matching
	f.matching = false
	stays := a.advance(next)
	if matched {
		f.notify()
	}
	if !behind || !stays {
		for _, waited := range a.release(nil) {
			waited.notify()
		}
	}
	return behind && stays
}

// askedBetweenLooks is the number of entries of which those that have none of a filter's
// keys are skipped before the clock is looked at.
const askedBetweenLooks = 256

// advance moves the feed's mark. If its filter is quick again, and no more behind than
// the others, it is evaluated with them from now on, and advance reports false.
func (a *apart) advance(next uint64) (stays bool) {
	l := a.of.log
	at := l.tip.Load()
	if at.index != next {
		at = l.markBehind(a.upTo.Load(), next)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.next = next
	if c, _ := l.find(next); c == nil || at == nil {
		return true // the log has been emptied, or has moved on
	}
	if at.index >= a.upTo.Load().index {
		a.upTo.Store(at)
	}
	if _, stays := a.of.apart.feeds[a.feed]; a.quick && stays {
		return !a.of.takeBack(a.feed)
	}
	return true
}

// end ends a feed that is too far behind.
func (a *apart) end() {
	l := a.of.log
	l.mu.Lock()
	delete(a.of.apart.feeds, a.feed)
	l.mu.Unlock()
	a.feed.giveUp()
	a.feed.notify()
}
