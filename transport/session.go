package transport

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter"
	"sluice/transport/compress"
	"sluice/transport/socket"
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

// fullInbox is how many commands keep the reader from taking more from the
// client, which the executor, waiting for the client to read, cannot answer.
const fullInbox = 256

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

// readConn is what a reader reads from: a socket, or a net.Conn.
type readConn interface {
	io.Reader
	SetReadDeadline(t time.Time) error
	Close() error
}

// waiters are told when a session's inbox has been emptied and when the session
// has ended. Few sessions ever have any, so that each is made when it is asked
// for. The session's lock guards them.
type waiters struct {
	room  chan struct{}
	ended chan struct{}
}

// wheelPlace is a session's place in its worker's wheel.
type wheelPlace struct {
	next, prev *session
	tick       int64 // 0 when it has none
}

// backlog is what a connection did not take.
type backlog struct {
	bytes []byte
	since monotime
	moved monotime // when it last took some of it
}

// sharing is what a session has that shares compressed blocks.
type sharing struct {
	codec  hub.Codec
	window hub.Window
	stream *compressed // that they are part of, nil on a WebSocket
}

// compressed is what a session has whose stream is compressed. Of what it is
// sent, the blocks that all share come as they are; around the rest, which is
// its own, stands what makes it part of the compressed stream.
//
// Owned by the executor.
type compressed struct {
	compress.Stream
	head  []byte // what goes in front of all, outside, until it has been sent
	begun bool
	ended bool
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

// given is what a step took from the last subscription that had something.
type given struct {
	sub           *subscription // nil when nothing can be given back
	from          hub.Bookmark
	first, end    int // its buffers
	records, gaps int // of those before it
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

// release gives up a subscription that no session has.
func (sub *subscription) release() {
	sub.Close()
	if sub.lease != nil {
		sub.lease.Release()
	}
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

// who is the principal, or nil.
func (s *session) who() *auth.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.principal
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

// wakeAt has the session looked at when something is due. Where it stands later
// in the wheel than it need, it is moved: when what was due has come, or
// something is due sooner.
func (s *session) wakeAt(next, now monotime) {
	if before := monotime(s.due.Swap(int64(next))); next < before || before <= now {
		s.worker.reschedule(s, next)
	}
}

// stopReading has nothing more taken from the client, but its end.
func (s *session) stopReading() {
	s.over.Store(true)
	if s.socket != nil && s.socket.CancelReadable() {
		s.Readable()
	}
}
