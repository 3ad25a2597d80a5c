package audit

import (
	"sync"
	"time"
)

// queue holds the events that a place has not taken yet, in order.
type queue struct {
	// Immutable.
	most, mostBytes int
	// wake has room for one, which is there if there may be events.
	wake chan struct{}

	mu      sync.Mutex
	entries []*entry
	bytes   int
	closed  bool
	lost    loss
}

// loss is how many events were lost, and since when.
type loss struct {
	events int64
	since  time.Time
}

// putResult is what became of an event.
type putResult uint8

const (
	putQueued putResult = iota
	putFull             // lost, because there was no room
	putClosed           // lost, because the place takes nothing more
)

func newQueue(most, mostBytes int) *queue {
	return &queue{most: most, mostBytes: mostBytes, wake: make(chan struct{}, 1)}
}

// put adds an event, unless there is no room for it.
func (q *queue) put(e *entry) putResult {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return putClosed
	case len(q.entries) >= q.most || q.bytes+e.bytes > q.mostBytes:
		if q.lost.events++; q.lost.events == 1 {
			q.lost.since = e.at
		}
		q.mu.Unlock()
		return putFull
	}
	q.entries = append(q.entries, e)
	q.bytes += e.bytes
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
	return putQueued
}

// take removes the first events, up to these bounds, but at least one if there is one.
func (q *queue) take(most, mostBytes int) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.entries) && n < most && (n == 0 || bytes+q.entries[n].bytes <= mostBytes) {
		bytes += q.entries[n].bytes
		n++
	}
	if n == 0 {
		return nil
	}
	taken := q.entries[:n:n]
	q.bytes -= bytes
	if q.entries = q.entries[n:]; len(q.entries) == 0 {
		q.entries = nil // what was large once does not stay
	}
	return taken
}

// recovered ends a bout of loss, once the queue is less than half full: it returns the
// loss since the last call. With force it does so however full the queue is.
func (q *queue) recovered(force bool) loss {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost.events == 0 || !force && (len(q.entries) > q.most/2 || q.bytes > q.mostBytes/2) {
		return loss{}
	}
	was := q.lost
	q.lost = loss{}
	return was
}

// losing returns the loss of the bout that goes on.
func (q *queue) losing() loss {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// len returns the number of events.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// close makes put take nothing more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
