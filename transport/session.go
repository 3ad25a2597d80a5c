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
	"sluice/hub/record"
	"sluice/transport/compress"
	"sluice/transport/socket"
	"sluice/transport/wire"
)

// The states of a session. A session is idle, is queued at its worker, is being run
// by exactly one executor (its worker or a goroutine of its own), or is stalled: it
// waits until its socket is writable. again is running, with something new to
// process.
const (
	idle uint32 = iota
	queued
	running
	again
	stalled
)

// stepResult is the result of a step of a session.
type stepResult uint8

const (
	stepIdle    stepResult = iota // nothing left to write
	stepMore                      // more can be written right away
	stepBlocked                   // the socket is full
	stepClosed                    // the session has ended
)

// fullInbox is how many queued commands stop the reader from taking more from the
// client: the executor cannot answer while it waits for the client to read.
const fullInbox = 256

// session is one client connection that events are delivered to.
//
// All output goes through the session's executor. Other goroutines post commands,
// which the executor runs in order, and wake it.
type session struct {
	// Immutable.
	server  *Server
	worker  *worker
	id      string
	dialect dialect
	out     connWriter
	conn    readConn       // nil if the HTTP server owns the connection
	socket  *socket.Socket // below conn, nil if conn is read by waiting
	tls     *carrier       // between conn and socket, nil without TLS
	address string
	since   monotime // when the session was created
	// admission is what the session counts as against limits. It is nil if it counts
	// for nothing, as for a client that is only sent the reason why it is refused.
	admission *admission
	started   bool // owned by the handler that creates the session

	state    atomic.Uint32
	behind   atomic.Bool  // the session has to catch up; live sessions have their turns first
	patterns atomic.Int32 // subscriptions by pattern
	lacks    atomic.Bool  // a stream of a pattern could not be subscribed to yet
	due      atomic.Int64 // when timed work is due next
	lastSign atomic.Int64 // Unix nanoseconds of the last sign of life
	inFlight atomic.Int32 // publishes not yet answered
	pauses   atomic.Int32 // subscriptions that are paused
	replies  atomic.Int32 // replies that are waited for
	unread   atomic.Bool  // what the client sends is not read now
	over     atomic.Bool  // nothing more is accepted from the client
	cutAt    atomic.Int64 // when it is cut off, as an operator has drained it; 0 for never

	// delivered is what the client was sent. The executor alone adds to it.
	delivered struct{ records, gaps, bytes atomic.Uint64 }

	viewer atomic.Pointer[look] // of the operators who look at the session; nil for nobody

	mu        sync.Mutex
	inbox     []command
	waiters   waiters
	gone      bool            // the session has ended
	principal *auth.Principal // nil before authentication

	place     wheelPlace // guarded by the worker's lock
	following keepingUp  // guarded by the follower's lock

	holds map[string]held // streams to which publishing waits for a quota; owned by the reader

	// Owned by the executor, which holds mu while it changes them, so that others can read
	// them who hold mu.
	subs   []*subscription
	groups []*group

	// Owned by the executor.
	backlog   *backlog // bytes that the connection did not accept, else nil
	turn      int      // index of the subscription that is served first
	expiry    monotime // of the token
	warnAt    monotime // when to warn of that, zero once it was
	lastWrite monotime
	lastID    monotime      // when a position was last sent, if not with every write
	heartbeat time.Duration // for dialects that do not converse
	closing   bool          // the last bytes are being written
	closed    bool
	needsID   bool     // a position still has to be sent to the client
	closeAt   monotime // when to close the session that is drained
	closeBy   monotime // when to close it even if publishes are in flight
	ws        *webSocket

	tenant *tenant // counts for the tenant of the principal; nil for none

	shares *sharing // compressed blocks; nil without compression

	audited *audited // for the audit; nil without one
}

// readConn is the connection that a reader reads from: a socket, or a net.Conn.
type readConn interface {
	io.Reader
	SetReadDeadline(t time.Time) error
	Close() error
}

// waiters are notified when a session's inbox has been emptied, when one of its publishes
// has been answered, and when the session has ended. Few sessions ever have waiters, so
// each channel is created on demand.
// The session's lock guards them.
type waiters struct {
	room  chan struct{}
	slot  chan struct{}
	ended chan struct{}
}

// held is why publishes to a stream are refused for some time.
type held struct {
	until monotime
	why   error
}

// wheelPlace is a session's slot in its worker's wheel.
type wheelPlace struct {
	next, prev *session
	tick       int64 // 0 if the session is not in the wheel
}

// keepingUp is what a follower is asked to do for a session.
type keepingUp struct {
	asked  bool // to bring it up to date
	served bool // it is being brought up to date
}

// backlog is output that a connection did not accept.
type backlog struct {
	bytes []byte
	since monotime
	moved monotime // when the connection last accepted some of it
}

// sharing is the state of a session that is sent shared compressed blocks.
type sharing struct {
	codec  hub.Codec
	window hub.Window
	stream *compressed // the stream that the blocks are part of; nil on a WebSocket
}

// compressed is the state of a session whose whole stream is compressed. Blocks that
// all sessions share are sent as they are; the rest, which is the session's own, is
// wrapped so that it becomes part of the compressed stream.
//
// Owned by the executor.
type compressed struct {
	compress.Stream
	head  []byte // uncompressed bytes before the stream, until they have been sent
	begun bool
	ended bool
}

// command is work for the executor.
type command func(s *session, sc *scratch)

// scratch is the memory of an executor for one step.
type scratch struct {
	batch  hub.Batch
	arena  []byte // control messages of the current step
	json   []byte
	now    monotime
	hasID  bool // the last event of an event stream has an id
	given  given
	first  [1][]byte
	short  []byte
	sealed []byte // records of TLS

	wrapped [][]byte // the buffers of the compressed stream
}

// given is what a step took from the last subscription that had something to
// deliver.
type given struct {
	sub           *subscription // nil if nothing can be rewound
	from          hub.Bookmark
	first, end    int // its range of buffers
	records, gaps int // of the subscriptions before it
}

// reset keeps the memory for the next step and drops the references of the last one,
// which could otherwise be all that keeps a log in memory.
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
	rows  *hub.Rows // by the rights at its beginning; nil for all records, whole
	asked *Asked    // what Config.Approve has approved; nil if there is none
	which *which    // what the client reads of the stream, for operators; nil for everything
	lease *cursors.Lease
	claim *claim // until the lease is taken; nil without a named cursor
	auto  bool   // pongs ack
	// evaluated is set if the client's filter has to be evaluated on each record.
	evaluated bool
	unfilter  func()     // gives up the client's filter
	pings     pinged     // pings that are not answered yet
	pausedAt  monotime   // while it is paused
	began     *beginning // for the audit; nil without one

	group  *group // that it is a member of, else nil
	caught bool   // as a member, it has caught up
	*told         // own, or that of the group
	own    told
}

// claim is what a subscription that has begun needs to take its named cursor.
type claim struct {
	of         *auth.Principal
	reading    reading
	request    hub.Request
	begun      hub.Begun
	at         *cursors.Stored // what was stored when the subscription began, nil for nothing
	superseded func(*cursors.Lease)
}

// group is a subscription by pattern: subscriptions to the streams that match and that
// the principal may read, with one id and one cursor.
//
// A stream joins and leaves while the session is open. The position of a stream that is
// not a member, as it could not be subscribed to yet or has left to come back, stays in
// the cursor, so that it is not lost if the client reconnects meanwhile.
type group struct {
	// Immutable.
	id      string
	text    string // of the pattern
	pattern auth.Pattern
	asked   wire.Reading // what is read of each stream
	auto    bool         // pongs ack
	look    bool         // named cursors are not taken
	resumes bool         // it began at a cursor
	// replaced is closed once there are other streams than those that the group began
	// with.
	replaced <-chan struct{}

	// Owned by the executor.
	apart   []apart
	looked  time.Time // when it had all streams that it could have
	omitted int       // streams that are left out because of a limit
	paused  bool      // so are its members, and those that join
	caught  bool      // caught_up was sent
	told    told      // sent has a cursor whose time is zero
}

// apart is the position of a stream that is not a member of the group.
type apart struct {
	record.StreamPosition
	// yields is set if a stored named cursor takes precedence.
	yields bool
}

// told is the cursor that the client knows.
type told struct {
	sent      string
	sentAt    monotime
	delivered bool // something was delivered since
}

func (t *told) know(cursor string, now monotime) {
	t.sent, t.sentAt, t.delivered = cursor, now, false
}

// reachedAt returns when the subscription was at its position: now, or when it was paused.
func (sub *subscription) reachedAt(now monotime) monotime {
	if sub.Paused() {
		return sub.pausedAt
	}
	return now
}

// release closes a subscription that no session has.
func (sub *subscription) release() {
	sub.Close()
	sub.unfilter()
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

// resume continues a stalled session.
func (s *session) resume() {
	if s.state.CompareAndSwap(stalled, queued) {
		// Cancel the notification: from now on the state of the socket matters for
		// the next stall only.
		s.socket.CancelWritable()
		s.worker.enqueue(s)
	}
}

// Writable implements socket.Owner.
func (s *session) Writable() { s.resume() }

// post queues a command for the executor.
func (s *session) post(c command) {
	s.mu.Lock()
	s.inbox = append(s.inbox, c)
	s.mu.Unlock()
	s.Pump()
}

// who returns the session's principal, or nil.
func (s *session) who() *auth.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.principal
}

// sent counts bytes that the connection has accepted.
func (s *session) sent(bytes int) {
	s.server.metrics.bytes(s.dialect.protocol(), bytes)
	s.tenant.sent(bytes)
	s.delivered.bytes.Add(uint64(max(bytes, 0)))
}

// drop ends a subscription without sending anything.
func (s *session) drop(sub *subscription) {
	if sub.Paused() {
		s.pauses.Add(-1)
		s.server.metrics.paused.Dec()
	}
	sub.release()
	s.server.metrics.subscriptions.Dec()
}

// pause pauses a subscription of the session, unless it is paused.
func (s *session) pause(sub *subscription, now monotime) {
	if sub.Paused() {
		return
	}
	sub.Pause()
	sub.pausedAt = now
	s.pauses.Add(1)
	s.server.metrics.paused.Inc()
}

// unpause is the opposite of pause.
func (s *session) unpause(sub *subscription, within *hub.Bound) {
	if sub.Paused() {
		sub.Resume(within)
		s.pauses.Add(-1)
		s.server.metrics.paused.Dec()
	}
}

// remove ends a subscription and removes it from the session.
func (s *session) remove(sub *subscription) {
	for i, other := range s.subs {
		if other == sub {
			s.mu.Lock()
			s.subs = slices.Delete(s.subs, i, i+1)
			s.mu.Unlock()
			break
		}
	}
	s.drop(sub)
}

// find returns the subscription with an id, or nil.
func (s *session) find(id string) *subscription {
	for _, sub := range s.subs {
		if sub.id == id {
			return sub
		}
	}
	return nil
}

// wakeAt schedules the session to be looked at when something is due. The session is
// moved in the wheel if it would be looked at too late there: when what was due has
// come, or when something is due sooner.
func (s *session) wakeAt(next, now monotime) {
	if before := monotime(s.due.Swap(int64(next))); next < before || before <= now {
		s.worker.reschedule(s, next)
	}
}

// stopReading stops the session from accepting anything from the client but the end
// of its side of the connection.
func (s *session) stopReading() {
	s.over.Store(true)
	if s.socket != nil && s.socket.CancelReadable() {
		s.Readable()
	}
}
