package transport

import (
	"time"

	"sluice/hub"
)

// laneShare is how many sessions of a lane are served before other lanes have their
// turn: a stream with many subscribers does not delay one with few, nor a tenant with
// many another one.
const laneShare = 64

// lanes are the feeds that wait for a worker, by tenant, or by stream where there is no
// tenant. Owned by the worker.
type lanes struct {
	all map[hub.Lane]*lane
	// order are the lanes in the order of their turns. No lane is empty.
	order []*lane
	// waiting is how many feeds wait, and delivered how many were delivered.
	waiting   int
	delivered uint64
	done      []*hub.Feed
	idle      []*lane // to be used again
}

// lane is a line of feeds.
type lane struct {
	of    hub.Lane
	feeds []*hub.Feed
	next  int // the first feed that waits
	// owners are those of that feed, if they were taken, and served how many of them
	// were served.
	owners []hub.Owner
	served int
	taken  bool
}

// add adds a feed to its lane.
func (l *lanes) add(f *hub.Feed) {
	of := *f.Lane()
	if of.Tenant != "" {
		of.Stream = ""
	}
	at := l.all[of]
	if at == nil {
		if n := len(l.idle); n > 0 {
			at, l.idle[n-1] = l.idle[n-1], nil
			l.idle = l.idle[:n-1]
		} else {
			at = &lane{}
		}
		at.of = of
		if l.all == nil {
			l.all = make(map[hub.Lane]*lane)
		}
		l.all[of] = at
		l.order = append(l.order, at)
	}
	if at.next > len(at.feeds)/2 {
		rest := copy(at.feeds, at.feeds[at.next:])
		clear(at.feeds[rest:])
		at.feeds, at.next = at.feeds[:rest], 0
	}
	at.feeds = append(at.feeds, f)
	l.waiting++
}

// serve serves a share of each lane, and returns the feeds that were delivered. They
// must be cleared, and are valid until the next call.
func (l *lanes) serve(shard int, deliver func(hub.Owner)) []*hub.Feed {
	l.done = l.done[:0]
	left := l.order[:0]
	for _, at := range l.order {
		if l.serveLane(at, shard, deliver) {
			left = append(left, at)
			continue
		}
		delete(l.all, at.of)
		at.of = hub.Lane{}
		l.idle = append(l.idle, at)
	}
	clear(l.order[len(left):])
	l.order = left
	l.waiting -= len(l.done)
	l.delivered += uint64(len(l.done))
	return l.done
}

// serveLane serves a share of a lane and reports whether something is left.
func (l *lanes) serveLane(at *lane, shard int, deliver func(hub.Owner)) bool {
	for share := laneShare; share > 0 && at.next < len(at.feeds); {
		if !at.taken {
			at.owners, at.served, at.taken = at.feeds[at.next].Take(shard, at.owners[:0]), 0, true
		}
		n := min(share, len(at.owners)-at.served)
		for _, o := range at.owners[at.served : at.served+n] {
			deliver(o)
		}
		at.served += n
		share -= max(n, 1)
		if at.served == len(at.owners) {
			// Do not keep a session or a log that has ended until the next pass.
			clear(at.owners)
			at.taken = false
			l.done = append(l.done, at.feeds[at.next])
			at.feeds[at.next] = nil
			at.next++
		}
	}
	if at.next < len(at.feeds) {
		return true
	}
	at.feeds, at.next = at.feeds[:0], 0
	return false
}

// waitingSessions are sessions that wait for a worker.
type waitingSessions struct {
	// came are those that came last. Guarded by the worker's lock.
	came []*session

	// Owned by the worker.
	line []*session
	next int
}

// take takes those that came last, if no others are left. The caller holds the worker's
// lock.
func (q *waitingSessions) take() {
	if q.next == len(q.line) && len(q.came) > 0 {
		q.line, q.came, q.next = q.came, q.line[:0], 0
	}
}

// serve runs some of the sessions, for about a time at most unless that is 0.
func (q *waitingSessions) serve(most int, atMost time.Duration, step func(*session)) {
	to := min(q.next+most, len(q.line))
	var began monotime
	if atMost > 0 && q.next < to {
		began = monotimeNow()
	}
	for q.next < to {
		s := q.line[q.next]
		q.line[q.next] = nil
		q.next++
		s.state.Store(running)
		step(s)
		if atMost > 0 && monotimeNow().Sub(began) >= atMost {
			break
		}
	}
}

// empty reports whether no session waits, neither of those that were taken nor of those
// that came since: the wake-up for these may have begun the round that did not take them.
// The caller holds the worker's lock.
func (q *waitingSessions) empty() bool { return q.next == len(q.line) && len(q.came) == 0 }
