package client

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Starts of a subscription, other than a cursor.
const (
	// Latest starts with the next new record.
	Latest = "latest"
	// Earliest starts with the oldest record kept.
	Earliest = "earliest"
)

// Last starts with the newest n records.
func Last(n int) string { return "last:" + strconv.Itoa(n) }

// Since starts, in each partition, with the first record that is not older than
// t.
func Since(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Offsets starts at the next offset of each partition that it has, and in the others
// with the next new record. An offset beyond the end of a partition is refused.
func Offsets(next map[int32]int64) string {
	text := []byte("offset:")
	for i, partition := range slices.Sorted(maps.Keys(next)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(partition), 10)
		text = append(text, ':')
		text = strconv.AppendInt(text, next[partition], 10)
	}
	return string(text)
}

// Request specifies what to subscribe to.
type Request struct {
	// Stream is the name of a stream, or a pattern in which `*` stands for any run of
	// characters. A pattern is one subscription to all streams that match and that the
	// client may read, now and later; Streams reports which they are. Records of
	// different streams are in no defined order.
	Stream string
	// Keys selects records with one of these keys; no keys select all records.
	Keys []string
	// Filter is an expression in CEL that selects records, such as `data.total > 100`.
	Filter string
	// From is Latest, Earliest, Last, Since, Offsets, or a cursor; "" means the position
	// of the named cursor, if there is one, else Latest.
	From string
	// CursorName is the name under which the server keeps the position.
	CursorName string
	// AutoAck makes the server move the named cursor by itself, past what was
	// written to a client that still answers pings. Without it, use Ack.
	AutoAck bool
	// Reset starts at From even if a position is stored under CursorName.
	Reset bool
	// FailOnGap ends the subscription if records are missing.
	FailOnGap bool
	// Resync continues after a position that has become void: a Gap with ReasonResync
	// reports it, and reading begins as after NewSubscription. Without it, and with
	// FailOnGap, the loop ends with an error. A void From always ends the loop.
	Resync bool
	// Wire sets Record.Wire, which keeps the whole message in memory as long as the record.
	Wire bool
}

// Subscribe returns a stream's events until the context ends, the loop is left,
// the server ends the subscription normally, or continuing makes no sense. If the
// context ends or continuing makes no sense, the loop receives an error as its
// last element. Subscribe combines NewSubscription and Events.
func (c *Client) Subscribe(ctx context.Context, request Request) iter.Seq2[Event, error] {
	return c.NewSubscription(request).Events(ctx)
}

// Subscription is a position in a stream that outlives connections. Its methods
// are safe for concurrent use.
type Subscription struct {
	// Immutable.
	client  *Client
	request Request

	mu       sync.Mutex // guards what follows
	position position
	session  *session
	id       string // that it was asked for with last, in its session
	running  bool
	paused   bool
}

// NewSubscription returns a subscription. It connects when Events is ranged over.
func (c *Client) NewSubscription(request Request) *Subscription {
	return &Subscription{client: c, request: request, position: newPosition(request.Stream)}
}

// Cursor returns the position after the last event that the loop received; passed
// as Request.From, it continues there. It is "" until the first connection is
// established.
func (s *Subscription) Cursor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position.text()
}

// Ack asks the server to store the current Cursor under Request.CursorName. It
// does not wait for the result, which an Acked event reports. If an ack is lost
// with its connection, the next one includes it.
func (s *Subscription) Ack(ctx context.Context) error {
	return s.AckAt(ctx, s.Cursor())
}

// AckAt is Ack with an earlier Cursor of this subscription: for a program that is done with
// less than what the loop has received.
func (s *Subscription) AckAt(ctx context.Context, cursor string) error {
	s.mu.Lock()
	session, id := s.session, s.id
	s.mu.Unlock()
	// Without a cursor, the server has not answered yet. It would refuse the ack, which would read as
	// a refusal of the subscription.
	if session == nil || cursor == "" {
		return fmt.Errorf("ack: %w", ErrDisconnected)
	}
	return session.send(ctx, ackMessage{Type: "ack", ID: id, Cursor: cursor})
}

// Pause asks the server to send no more records until Resume. It does not wait:
// records that are on their way still arrive, and a Paused event follows them. A pause
// lasts across reconnects, and can precede the loop. The server keeps only the position
// of a paused subscription; what comes meanwhile is delivered after Resume, as far back
// as Kafka keeps it and the principal may read.
func (s *Subscription) Pause(ctx context.Context) error { return s.pause(ctx, true) }

// Resume asks the server to continue after Pause. A Resumed event precedes the records.
func (s *Subscription) Resume(ctx context.Context) error { return s.pause(ctx, false) }

// pause has the server pause or resume the subscription, now if there is a connection,
// else once there is one.
func (s *Subscription) pause(ctx context.Context, paused bool) error {
	s.mu.Lock()
	s.paused = paused
	session := s.session
	s.mu.Unlock()
	if session == nil {
		return nil
	}
	return s.tell(ctx, session, paused)
}

// tell sends whether the subscription is paused. As others may change that meanwhile, it
// goes on until the last that it has sent is what applies.
func (s *Subscription) tell(ctx context.Context, session *session, paused bool) error {
	for {
		s.mu.Lock()
		m := pauseMessage{Type: "resume", ID: s.id}
		s.mu.Unlock()
		if paused {
			m.Type = "pause"
		}
		if err := session.send(ctx, m); err != nil {
			return err
		}
		s.mu.Lock()
		now, current := s.paused, s.session == session
		s.mu.Unlock()
		if now == paused || !current {
			return nil
		}
		paused = now
	}
}

// Events returns the events after the current position. It can be ranged over
// again later, but by only one loop at a time. After an error whose Action is
// "resync" the position is void and forgotten: the next loop starts at Request.From.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if !s.start() {
			yield(nil, ErrRunning)
			return
		}
		defer s.end()
		s.run(ctx, yield)
	}
}

func (s *Subscription) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return false
	}
	s.running = true
	return true
}

func (s *Subscription) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// forget discards a position that is void, and reports whether to begin without it.
func (s *Subscription) forget() (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// If there was no position yet, the start itself is void.
	again = s.request.Resync && !s.request.FailOnGap && s.position.cursor != ""
	s.position = newPosition(s.request.Stream)
	return again
}

// maxRenewals is the maximum number of tokens in a row that may be refused.
const maxRenewals = 2

// run reconnects until that makes no sense.
func (s *Subscription) run(ctx context.Context, yield func(Event, error) bool) {
	tried := &attempts{wait: s.client.backoff()}
	for {
		end, left := s.connect(ctx, tried, yield)
		if left {
			return
		}
		if ctx.Err() != nil {
			yield(nil, context.Cause(ctx))
			return
		}
		tried.judge(&end)
		switch end.verdict {
		case finish:
			return
		case renew:
			if tried.renewals++; s.client.config.Token == nil || tried.renewals > maxRenewals {
				yield(nil, end.err)
				return
			}
		case restart:
			if !s.forget() {
				yield(nil, end.err)
				return
			}
			if !yield(Gap{Stream: s.request.Stream, Reason: ReasonResync}, nil) {
				return
			}
		case stop:
			yield(nil, end.err)
			return
		}
		delay := tried.after(end)
		if !yield(Disconnected{Err: end.err, Retry: delay}, nil) {
			return
		}
		if err := pause(ctx, delay); err != nil {
			yield(nil, context.Cause(ctx))
			return
		}
	}
}

// connect runs one connection, and returns how it ended or that the loop was
// left.
func (s *Subscription) connect(ctx context.Context, tried *attempts, yield func(Event, error) bool) (end ending, left bool) {
	session, refused := s.client.dial(ctx)
	if refused != nil {
		return *refused, false
	}
	tried.reached = true

	own, cancel := context.WithCancel(ctx)
	forget := session.hangUpWhen(ctx)
	defer func() {
		cancel()
		s.setSession(nil)
		forget()
		session.hangUp()
		session.others.Wait()
	}()
	renewal := newRenewal()
	if s.client.config.Token != nil {
		session.others.Go(func() { renewal.run(own, s.client.config.Token, session.send) })
	}
	d := delivery{sub: s, session: session, renewal: renewal, tried: tried, context: own, yield: yield}
	if err := session.send(own, s.subscribe(d.id())); err != nil {
		return ending{verdict: resume, err: err}, false
	}
	if s.setSession(session) {
		// The server begins with the answer to subscribe; records that it has ready may
		// follow before the pause.
		if err := s.tell(own, session, true); err != nil {
			return ending{verdict: resume, err: err}, false
		}
	}
	return d.run()
}

// setSession sets the current connection, and reports whether the subscription is
// paused.
func (s *Subscription) setSession(session *session) (paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
	return s.paused
}

// subscribe returns the message that subscribes after the current position, with an id that
// its session has not had.
//
// A named cursor takes precedence over from unless reset is set. A reconnect sets
// it: the stored cursor is where the caller last acked, which is before what the
// loop has received, and would make the server repeat that. A reset stores
// nothing by itself, so records that are not acked remain so.
//
// For a pattern the position is LastEventID, which takes precedence over a named cursor:
// streams that come later still begin at the From of the request.
func (s *Subscription) subscribe(id string) subscribeMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = id
	m := subscribeMessage{
		Type: "subscribe", ID: id, Stream: s.request.Stream, Key: s.request.Keys, Filter: s.request.Filter,
		From: s.request.From, CursorName: s.request.CursorName, Reset: s.request.Reset,
	}
	switch cursor := s.position.text(); {
	case cursor == "":
	case s.position.several:
		m.LastEventID = cursor
	default:
		m.From = cursor
		m.Reset = m.CursorName != ""
	}
	if s.request.AutoAck {
		m.Ack = "auto"
	}
	if s.request.FailOnGap {
		m.OnGap = "fail"
	}
	return m
}
