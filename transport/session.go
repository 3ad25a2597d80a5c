package transport

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter"
	"sluice/transport/socket"
	"sluice/transport/wire"
)

// A session is idle, waits in its worker's queue, or is being run by exactly
// one executor, its worker or a goroutine of its own; again is running with
// something new to look at.
const (
	idle uint32 = iota
	queued
	running
	again
	stalled
)

// stepResult is what a step of a session ended with.
type stepResult uint8

const (
	stepIdle    stepResult = iota // nothing left to write
	stepMore                      // there is more right away
	stepBlocked                   // the socket is full
	stepClosed                    // the session has ended
)

// stepBytes is how much of events a session writes before others have their
// turn. With what goes beside, at most 64 KiB lie between two ids of an event
// stream, but for an event that is larger.
const stepBytes = 60 << 10

// session is one client connection that is delivered to.
//
// All that goes out goes through its executor. Others hand it commands, which
// run there in their order, and wake it.
type session struct {
	// Immutable.
	server  *Server
	worker  *worker
	id      string
	dialect dialect
	out     connWriter
	conn    readConn       // nil where it is the HTTP server's
	socket  *socket.Socket // the same, where it is one
	address string
	// admission is what counts against limits; nil for nothing, as for who is
	// told only why it may not come in.
	admission *admission
	started   bool // owned by the handler that makes it

	state    atomic.Uint32
	behind   atomic.Bool  // those who are live have their turns first
	due      atomic.Int64 // when what time brings is due next
	heard    atomic.Int64 // Unix nanoseconds of the last sign of life
	inFlight atomic.Int32 // publishes without an answer
	over     atomic.Bool  // nothing more is taken from the client

	mu        sync.Mutex
	inbox     []command
	waiters   waiters
	gone      bool            // it has ended
	principal *auth.Principal // nil before authentication

	place wheelPlace // guarded by the worker's lock

	// Owned by the executor.
	subs      []*subscription
	backlog   *backlog // what the connection did not take, else nil
	turn      int      // which subscription is first
	expiry    monotime
	lastWrite monotime
	lastID    monotime      // when a position was told last, where that is not with every write
	heartbeat time.Duration // of a session that does not converse
	closing   bool          // the last bytes are on their way
	closed    bool
	warned    bool     // that the token ends
	needsID   bool     // a position is owed to the client
	closeAt   monotime // when draining
	ws        *webSocket

	shares *sharing // compressed blocks, nil where nothing is compressed
}

// command is something for the executor to do.
type command func(s *session, sc *scratch)

// scratch is an executor's memory for one step.
type scratch struct {
	batch hub.Batch
	arena []byte // control messages of the step at hand
	json  []byte
	now   monotime
	hasID bool // an event stream's last event has an id
	given given
	first [1][]byte
	short []byte

	wrapped [][]byte // what is made a compressed stream
}

// reset keeps the memory for the next step and lets go of what the last one had
// to do with: it can be all that is left of a log.
func (sc *scratch) reset() {
	sc.batch.Reset()
	sc.arena = sc.arena[:0]
	sc.given = given{}
	sc.first[0] = nil
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// subscription is a subscription of a session.
type subscription struct {
	*hub.Subscription
	id    string
	rows  *filter.Filter // of the right by which it has begun; nil for all records
	lease *cursors.Lease
	auto  bool   // acked by pongs
	pings pinged // that are not answered yet

	// Of the cursor that the client knows.
	sent      string
	sentAt    monotime
	delivered bool // something since
}

// Pump implements hub.Owner.
func (s *session) Pump() {
	for {
		switch s.state.Load() {
		case idle:
			if s.state.CompareAndSwap(idle, queued) {
				s.worker.enqueue(s)
				return
			}
		case running:
			if s.state.CompareAndSwap(running, again) {
				return
			}
		default:
			return
		}
	}
}

// resume has a stalled session go on.
func (s *session) resume() {
	if s.state.CompareAndSwap(stalled, queued) {
		// What becomes of the socket from now on is for its next stall.
		s.socket.CancelWritable()
		s.worker.enqueue(s)
	}
}

// Writable implements socket.Owner.
func (s *session) Writable() { s.resume() }

// post has the executor run a command.
func (s *session) post(c command) {
	s.mu.Lock()
	s.inbox = append(s.inbox, c)
	s.mu.Unlock()
	s.Pump()
}

// fullInbox is how many commands keep the reader from taking more from the
// client, which the executor, waiting for the client to read, cannot answer.
const fullInbox = 256

// who is the principal, or nil.
func (s *session) who() *auth.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.principal
}

// step does everything that can be done without waiting.
func (s *session) step(sc *scratch) stepResult {
	if s.closed {
		return stepClosed
	}
	sc.reset()
	sc.now = monotimeNow()
	sc.hasID = true

	if s.backlog != nil {
		if done := s.retry(sc); done != stepIdle {
			s.fallsBehind(true)
			return done
		}
	}
	s.runCommands(sc)
	if s.closed {
		return stepClosed
	}
	if !s.closing {
		s.onTime(sc)
	}
	more := false
	if !s.closing {
		more = s.gather(sc)
	}
	s.dialect.afterStep(s, sc)
	if s.shares != nil {
		s.countCompressed(sc)
		s.compress(sc)
	}
	done := s.flush(sc)
	s.fallsBehind(more || done == stepBlocked || !s.inStep())
	s.server.metrics.delivered(s.dialect.protocol(), sc.batch.Records, sc.batch.Gaps)
	if done != stepIdle {
		return done
	}
	s.schedule(sc.now)
	if more {
		return stepMore
	}
	return stepIdle
}

// fallsBehind notes whether the session has to catch up.
func (s *session) fallsBehind(is bool) {
	if s.behind.Load() != is {
		s.behind.Store(is)
	}
}

// inStep reports whether all subscriptions go with their logs.
func (s *session) inStep() bool {
	for _, sub := range s.subs {
		if !sub.InStep() {
			return false
		}
	}
	return true
}

// safeStep is step for executors: a panic, which is a fault of ours, costs the
// session at hand and no other.
func (s *session) safeStep(sc *scratch) (result stepResult) {
	defer func() {
		if cause := recover(); cause != nil {
			s.panicked(cause)
			result = stepClosed
		}
	}()
	return s.step(sc)
}

// runCommands runs the commands that have come.
func (s *session) runCommands(sc *scratch) {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.waiters.tellRoom()
	s.mu.Unlock()
	for _, c := range inbox {
		if s.closed {
			return
		}
		c(s, sc)
	}
}

// gather collects what the subscriptions have, and reports whether there is
// more than was taken.
func (s *session) gather(sc *scratch) (more bool) {
	for i, n := 0, len(s.subs); i < n; i++ {
		if s.closing {
			return false
		}
		sub := s.subs[(s.turn+i)%len(s.subs)]
		room := s.stepBytes() - sc.batch.Bytes
		if room <= 0 {
			s.turn++
			return true
		}
		before, size, records, gaps := len(sc.batch.Bufs), sc.batch.Bytes, sc.batch.Records+sc.batch.Gaps, sc.batch.Gaps
		from := sub.Bookmark()
		if s.next(sub, sc, room) {
			more = true
		}
		if len(sc.batch.Bufs) > before {
			if sc.hasID = sc.endsWithID(); sc.hasID {
				s.needsID = false
			}
			sc.given = given{sub: sub, from: from, first: before, end: len(sc.batch.Bufs), records: records - gaps, gaps: gaps}
			s.putInFront(sc, before, sc.batch.Bytes-size)
		}
		if sc.batch.Records+sc.batch.Gaps > records {
			sub.delivered = true
		}
		// A gap can make a client's cursor void (log_changed, truncated), and
		// with it what it would say that it has seen since.
		if sc.batch.Gaps > gaps {
			sub.sentAt = 0
		}
		s.accompany(sub, sc)
		if len(s.subs) < n {
			// It has ended, and the others have moved up: all again.
			return len(s.subs) > 0
		}
	}
	if more {
		// Another one is first, as what did not fit may be larger than the rest
		// of a batch.
		s.turn++
	}
	return more
}

// stepBytes is how much of events the session writes in a step.
func (s *session) stepBytes() int {
	if s.shares != nil {
		return compressedStep
	}
	return stepBytes
}

// next is Next of a session's subscription.
func (s *session) next(sub *subscription, sc *scratch, room int) (more bool) {
	if s.shares == nil {
		return sub.Next(&sc.batch, s.dialect.format(), room)
	}
	return sub.NextCompressed(&sc.batch, s.shares.codec, &s.shares.window, room)
}

// accompany sends what goes with a subscription's events.
func (s *session) accompany(sub *subscription, sc *scratch) {
	if status, changed := sub.StatusChange(); changed {
		sc.given.sub = nil
		s.send(sc, &wire.Status{Stream: sub.Stream(), Live: status.Live, Since: status.Since})
	}
	if sub.Ended() != "" {
		sc.given.sub = nil
		s.endSubscription(sub, endOf(sub), sc)
		return
	}
	if sub.CaughtUp() {
		sc.given.sub = nil
		cursor := s.cursorOf(sub, sc)
		caught := &wire.CaughtUp{Cursor: cursor}
		if s.dialect.converses() {
			caught.ID = sub.id
		}
		s.send(sc, caught)
		sub.know(cursor, sc.now)
		return
	}
	s.dialect.afterEvents(s, sub, sc)
}

// drop ends a subscription without a word.
func (s *session) drop(sub *subscription) {
	sub.release()
	s.server.metrics.subscriptions.Dec()
}

// remove takes a subscription out of the session.
func (s *session) remove(sub *subscription) {
	for i, other := range s.subs {
		if other == sub {
			s.subs = slices.Delete(s.subs, i, i+1)
			break
		}
	}
	s.drop(sub)
}

// find gives the subscription of an id, or nil.
func (s *session) find(id string) *subscription {
	for _, sub := range s.subs {
		if sub.id == id {
			return sub
		}
	}
	return nil
}
