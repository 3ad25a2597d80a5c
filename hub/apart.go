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

// runApart has costly filters evaluated on new entries, until the context ends.
func (e *evaluation) runApart(ctx context.Context) {
	var behind []*task
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.apart.signal:
		}
		behind = e.behind(behind)
		for _, k := range behind {
			e.log.turns.add(k)
		}
		clear(behind)
	}
}

// behind returns the tasks of the feeds that are to be evaluated on something, in the
// memory of dst.
func (e *evaluation) behind(dst []*task) []*task {
	dst = dst[:0]
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	tip := l.tip.Load()
	for f := range e.apart.feeds {
		a := f.asked.apart
		if a.next >= tip.index && a.upTo.Load() == tip {
			continue
		}
		if a.run == nil {
			t := taker{e, a, f}
			a.run, a.clients = t.turn, f.someClients
		}
		dst = append(dst, &a.task)
	}
	return dst
}

// taker is a feed that has turns.
type taker struct {
	of   *evaluation
	at   *apart
	feed *Feed
}

// turn evaluates the filter until it has reached the tip, or has taken its time. It
// reports whether more remains.
func (t taker) turn(view *filter.View, atMost time.Duration) (behind bool) {
	f, l, a := t.feed, t.of.log, t.at
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
		t.end()
		return false
	}
	// Once it is evaluated with the others, matching is theirs.
	matched = matched || f.matching
	f.matching = false
	stays := t.advance(next)
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
func (t taker) advance(next uint64) (stays bool) {
	l, a := t.of.log, t.at
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
	if _, stays := t.of.apart.feeds[t.feed]; a.quick && stays {
		return !t.of.takeBack(t.feed)
	}
	return true
}

// end ends a feed that is too far behind.
func (t taker) end() {
	l := t.of.log
	l.mu.Lock()
	delete(t.of.apart.feeds, t.feed)
	l.mu.Unlock()
	l.turns.remove(&t.at.task)
	t.feed.giveUp()
	t.feed.notify()
}

// markBehind returns the mark at an index behind an earlier mark, nil when the log has
// neither.
func (l *log) markBehind(earlier *mark, index uint64) *mark {
	c, i := l.find(index)
	switch {
	case c == nil:
		return nil
	case earlier.index < c.base || earlier.index > index:
		return l.markIn(c, i)
	}
	at := earlier.at.Clone()
	for k := int(earlier.index - c.base); k < i; k++ {
		at.Set(c.at(k).place())
	}
	return &mark{index: index, at: at, made: l.now()}
}
