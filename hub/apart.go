package hub

import (
	"context"
	"time"

	"sluice/hub/filter"
)

// A filter that turns out to be costly is evaluated apart from the others of its
// stream: each such filter has its own turns, and its own mark up to which its
// subscriptions read, so that it delays nobody but them. What it would have to be asked
// about waits in the log, as it does for a slow client. If records wait for longer than
// Limits.FilterLag, the subscriptions of the filter end with FilterFailed.
//
// A turn takes about askTime. Between two turns the goroutine sleeps for as long, and
// only as many streams as there are turns in the hub have theirs at once, so that costly
// filters leave time to all else.

// longestPause bounds the pause after a turn that took long.
const longestPause = 10 * time.Millisecond

// turns are the turns that all streams of a hub share.
type turns chan struct{}

// taker is the state of the goroutine that evaluates costly filters.
type taker struct {
	*evaluation
	lag   func() time.Duration
	feeds []*Feed
	view  filter.View
	woken []waiter
}

// runApart evaluates the costly filters on new entries, until the context ends. lag
// returns how long records may wait, 0 for no bound.
func (e *evaluation) runApart(ctx context.Context, all turns, lag func() time.Duration) {
	v := taker{evaluation: e, lag: lag}
	pause := time.NewTimer(0)
	defer pause.Stop()
	worked := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.apart.signal:
		}
		for more := true; more; {
			more = false
			for _, f := range v.gather() {
				select {
				case <-ctx.Done():
					return
				case all <- struct{}{}:
				}
				began := e.log.now()
				behind := v.turn(f, began)
				<-all
				more = more || behind
				if worked += e.log.now().Sub(began); worked < askTime {
					continue
				}
				pause.Reset(min(worked, longestPause))
				worked = 0
				select {
				case <-ctx.Done():
					return
				case <-pause.C:
				}
			}
		}
		v.view.Release()
	}
}

// gather returns the feeds that are to be evaluated on something.
func (v *taker) gather() []*Feed {
	clear(v.feeds)
	v.feeds = v.feeds[:0]
	l := v.log
	l.mu.Lock()
	tip := l.tip.Load()
	for f := range v.apart.feeds {
		if a := f.asked.apart; a.next < tip.index || a.upTo.Load() != tip {
			v.feeds = append(v.feeds, f)
		}
	}
	l.mu.Unlock()
	return v.feeds
}

// turn evaluates the filter of a feed until it has reached the tip, or has taken its
// time. It reports whether more remains.
func (v *taker) turn(f *Feed, began time.Time) (behind bool) {
	l, a := v.log, f.asked.apart
	tip, floor := l.tip.Load(), l.floor()
	if a.due == nil || a.next >= a.due.index { // nothing has waited
		a.due = tip
	}
	next, matched := a.next, false
	for spent := time.Duration(0); next < tip.index && spent < askTime; spent = l.now().Sub(began) {
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
			if c.at(i).kind != entryAdvance && passes(&f.filter, c, i, &v.view) != filter.No {
				f.match(c.base+uint64(i), floor.base)
				matched = true
			}
			if asks && l.now().Sub(began) >= askTime {
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
	lag := v.lag()
	if behind && lag > 0 && now.Sub(a.due.made) > lag {
		v.end(f)
		return false
	}
	v.advance(f, next)
	if !behind {
		v.woken = a.release(v.woken)
	}
	v.notify(f, matched)
	return behind
}

// askedBetweenLooks is the number of entries of which those that have none of a filter's
// keys are skipped before the taker looks at the clock.
const askedBetweenLooks = 256

// advance moves the feed's mark. If its filter is quick again, and no more behind than
// the others, it is evaluated with them from now on.
func (v *taker) advance(f *Feed, next uint64) {
	l, a := v.log, f.asked.apart
	l.mu.Lock()
	defer l.mu.Unlock()
	a.next = next
	at := l.tip.Load()
	if at.index != next {
		c, i := l.find(next)
		if c == nil {
			return // the log has been emptied, or has moved on
		}
		at = l.markIn(c, i)
	}
	if at.index >= a.upTo.Load().index {
		a.upTo.Store(at)
	}
	if _, stays := v.apart.feeds[f]; a.quick && stays {
		v.takeBack(f)
	}
}

// end ends a feed that is too far behind.
func (v *taker) end(f *Feed) {
	v.log.mu.Lock()
	delete(v.apart.feeds, f)
	v.log.mu.Unlock()
	f.giveUp()
	v.notify(f, true)
}

// notify wakes a feed, if it has something new or has waited.
func (v *taker) notify(f *Feed, matched bool) {
	if f.matching || matched {
		f.matching = false
		f.notify()
	}
	for _, waited := range v.woken {
		waited.notify()
	}
	clear(v.woken)
	v.woken = v.woken[:0]
}
