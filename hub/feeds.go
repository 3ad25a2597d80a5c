package hub

import (
	"strconv"
	"sync/atomic"

	"sluice/hub/filter"
)

// join adds a subscription to the feed of a filter, and creates the feed when there
// is none.
func (l *log) join(which filter.Filter, digest string, s *Subscription) *Feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, name := l.feedOf(&which, digest)
	return l.enter(f, name, &which, s)
}

// enter adds a subscription to a feed, and creates the feed when it is nil. The caller
// holds the lock.
func (l *log) enter(f *Feed, name string, which *filter.Filter, s *Subscription) *Feed {
	if f == nil {
		f = &Feed{log: l, filter: *which, name: name, since: l.tip.Load().index}
		f.label = labelOf(f.Name())
		l.feeds[name] = f
		if e := l.evaluationOf(which); e != nil {
			e.add(f)
		} else {
			f.by = byKeys
			l.keyed.add(f)
		}
	}
	f.mu.Lock()
	f.add(s)
	if which.HasPredicates() {
		f.hold(s.client, 1)
		count(l.evaluations[ofPredicates].clients, s.client, 1)
	}
	if f.Filtered() && len(f.subs) == 2 && f.named.Load() == nil {
		f.named.Store(new([16]atomic.Pointer[named]))
	}
	f.mu.Unlock()
	if f.asked != nil && f.asked.apart != nil {
		l.turns.join(&f.asked.apart.task, s.client)
	}
	return f
}

// feedOf finds the feed of a filter, or returns the name that the feed is to have.
// Of several filters with the same digest all but the first are numbered. The caller
// holds the lock.
func (l *log) feedOf(which *filter.Filter, digest string) (f *Feed, free string) {
	name, unused := digest, 0
	for n := 1; ; n++ {
		if n > 1 {
			name = digest + "-" + strconv.Itoa(n)
		}
		f, rests := l.feeds[name], l.resting[name]
		switch {
		case f != nil && f.filter.Equal(which):
			return f, name
		case rests != nil && rests.filter.Equal(which):
			return f, name // which is nil: all its subscriptions are paused
		case f == nil && rests == nil && unused == 0:
			free, unused = name, n
		}
		// Feeds with smaller numbers may have been removed.
		if unused > 0 && n >= l.numbered {
			l.numbered = max(l.numbered, unused)
			return nil, free
		}
	}
}

// leave removes a subscription from its feed, and the feed from the log with its
// last subscription.
func (l *log) leave(s *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part(s)
}

// part is what leave does under the log's lock.
func (l *log) part(s *Subscription) {
	f := s.feed
	f.mu.Lock()
	last := len(f.subs) - 1
	f.subs[s.slot] = f.subs[last]
	f.subs[s.slot].slot = s.slot
	f.subs[last] = nil
	f.subs = f.subs[:last]
	if f.filter.HasPredicates() && !f.rests {
		f.hold(s.client, -1)
		count(l.evaluations[ofPredicates].clients, s.client, -1)
	}
	f.mu.Unlock()
	if f.rests {
		l.paused.Add(-1)
	}
	switch {
	case last > 0:
		return
	case f.rests:
		delete(l.resting, f.name)
		return
	}
	delete(l.feeds, f.name)
	if e := l.evaluationOf(&f.filter); e != nil {
		e.remove(f)
	} else {
		l.keyed.remove(f)
	}
}
