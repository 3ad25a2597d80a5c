package client

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"
)

// Where a subscription can begin, beside a cursor.
const (
	// Latest: what comes from now on.
	Latest = "latest"
	// Earliest: the oldest that is kept.
	Earliest = "earliest"
)

// Last begins with the newest n records.
func Last(n int) string { return "last:" + strconv.Itoa(n) }

// Since begins, in each partition, with the first record that is not older.
func Since(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Request says what to subscribe to.
type Request struct {
	Stream string
	// Keys are those to be sent; none is all.
	Keys []string
	// From is Latest, Earliest, Last, Since, or a cursor; "" is Latest, or
	// where the named cursor is.
	From string
	// CursorName is under which the server keeps the position.
	CursorName string
	// AutoAck lets the server move the named cursor by itself, behind what was
	// written to a client that still answers pings. Without it, use Ack.
	AutoAck bool
	// Reset begins at From even if something is stored under CursorName.
	Reset bool
	// FailOnGap ends the subscription where records are missing.
	FailOnGap bool
}

// Subscribe gives a stream's events until the context ends, the loop is left,
// or there is no sense in going on, which is the one error that the loop is
// given, as its last. It is NewSubscription and Events in one.
func (c *Client) Subscribe(ctx context.Context, request Request) iter.Seq2[Event, error] {
	return c.NewSubscription(request).Events(ctx)
}

// Subscription is a place in a stream that outlives connections. Its methods
// are safe for concurrent use.
type Subscription struct {
	// Immutable.
	client  *Client
	request Request

	mu       sync.Mutex // guards what follows
	position position
	session  *session
	running  bool
}

// NewSubscription makes a subscription. It connects when Events is ranged over.
func (c *Client) NewSubscription(request Request) *Subscription {
	return &Subscription{client: c, request: request}
}

// Cursor is the position behind the last event that the loop was given; handed
// in as Request.From it goes on there. It is "" until the first connection
// stands.
func (s *Subscription) Cursor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position.text()
}

// Ack lets the server store the present Cursor under Request.CursorName. It
// does not wait for that: an Acked event tells of it. An ack that is lost with
// its connection is made good by the next one.
func (s *Subscription) Ack(ctx context.Context) error {
	s.mu.Lock()
	session, cursor := s.session, s.position.text()
	s.mu.Unlock()
	if session == nil {
		return fmt.Errorf("ack: %w", ErrDisconnected)
	}
	return session.send(ctx, ackMessage{Type: "ack", ID: subscriptionID, Cursor: cursor})
}

// Events gives what comes behind the present position. It can be ranged over
// again later, but only by one loop at a time.
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

// maxRenewals is how many tokens in a row may be refused.
const maxRenewals = 2

// run connects until that makes no sense any more.
func (s *Subscription) run(ctx context.Context, yield func(Event, error) bool) {
	wait := backoff{least: s.client.config.MinBackoff, most: s.client.config.MaxBackoff}
	renewals := 0
	for {
		end, left := s.connect(ctx, yield)
		if left {
			return
		}
		if ctx.Err() != nil {
			yield(nil, context.Cause(ctx))
			return
		}
		if end.worked {
			wait.reset()
			renewals = 0
		}
		switch end.verdict {
		case finish:
			return
		case renew:
			if renewals++; s.client.config.Token == nil || renewals > maxRenewals {
				yield(nil, end.err)
				return
			}
		case stop:
			yield(nil, end.err)
			return
		}
		delay := end.after
		if !end.exact {
			delay += wait.next()
		}
		if !yield(Disconnected{Err: end.err, Retry: delay}, nil) {
			return
		}
		if err := pause(ctx, delay); err != nil {
			yield(nil, context.Cause(ctx))
			return
		}
	}
}

// connect runs one connection, and reports how it ended or that the loop was
// left.
func (s *Subscription) connect(ctx context.Context, yield func(Event, error) bool) (end ending, left bool) {
	session, refused := s.client.dial(ctx)
	if refused != nil {
		return *refused, false
	}
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
	if err := session.send(own, s.subscribe()); err != nil {
		return ending{verdict: resume, err: err}, false
	}
	s.setSession(session)
	d := delivery{sub: s, session: session, renewal: renewal, context: own, yield: yield}
	return d.run()
}

func (s *Subscription) setSession(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
}

// subscribe asks for what comes behind the present position.
//
// A named cursor wins over from unless reset is asked for. A connection that
// comes again does ask: the stored one stands where the caller last acked,
// which is behind what it was given, and would have the server repeat that. A
// reset stores nothing by itself, so what is not acked stays so.
func (s *Subscription) subscribe() subscribeMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := subscribeMessage{
		Type: "subscribe", ID: subscriptionID, Stream: s.request.Stream, Key: s.request.Keys,
		From: s.request.From, CursorName: s.request.CursorName, Reset: s.request.Reset,
	}
	if cursor := s.position.text(); cursor != "" {
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
