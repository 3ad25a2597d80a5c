package client

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// repeatWithin is the longest wait for which a session is kept without a subscription.
const repeatWithin = 5 * time.Second

// delivery passes the messages of one session to the loop.
type delivery struct {
	sub     *Subscription
	session *session
	renewal *renewal
	tried   *attempts
	// context ends with the session.
	context context.Context
	yield   func(Event, error) bool

	asked   int    // how many times the subscription was asked for again in this session
	active  bool   // the server has confirmed the subscription, and not ended it
	repeats bool   // the subscription is asked for again in this session
	feed    string // the name by which the server tells the records of the subscription
	worked  bool
	moving  context.Context // ends when the server wants the client to reconnect; nil if it does not
	closing *message        // the server's closing message
}

// id returns the id that the subscription is asked for with. It is another one each time: an
// ack that the server reads after the end of the subscription is refused, which must not be
// taken for a refusal of the one that follows.
func (d *delivery) id() string { return strconv.Itoa(d.asked) }

// run reads until the session ends or the loop is left.
func (d *delivery) run() (end ending, left bool) {
	for {
		m, err := d.session.read()
		if err != nil {
			end = d.ended(err)
			end.worked = d.worked
			return end, false
		}
		switch m.Type {
		case "error":
			if m.ID == d.id() {
				// The id of an active subscription is in use: what is refused is another
				// request than subscribe.
				end, again, left := d.interrupted(refusal(m), !d.active)
				if !again {
					return end, left
				}
			}
		case "unsubscribed":
			d.at(m.Cursor)
			end, again, left := d.interrupted(unsubscribed(m), true)
			if !again {
				return end, left
			}
		case "drain":
			defer d.move(milliseconds(m.ReconnectMS))()
		default:
			event, err := d.event(m)
			if err != nil {
				// A record that the client cannot decode must not be skipped.
				return ending{verdict: stop, err: err}, false
			}
			if event != nil && !d.yield(event, nil) {
				return ending{}, true
			}
		}
	}
}

// event handles a message and returns the event for it, nil if the message is not
// reported to the caller.
func (d *delivery) event(m *message) (Event, error) {
	switch m.Type {
	case "event":
		if !d.own(m) {
			return nil, nil
		}
		record, err := m.record()
		if err != nil || !d.pass(record) {
			return nil, err
		}
		d.worked = true
		if d.sub.request.Wire {
			record.Wire = m.wire
		}
		return record, nil
	case "gap":
		if !d.own(m) {
			return nil, nil
		}
		gap := Gap{Stream: m.Stream, Partition: m.Partition, From: m.From, To: m.To, Reason: m.Reason}
		if !d.skip(gap) {
			return nil, nil
		}
		return gap, nil
	case "cursor":
		if m.Feed == "" || d.feed == "" || m.Feed == d.feed {
			d.at(m.Cursor)
		}
	case "caught_up":
		d.at(m.Cursor)
		d.worked = true
		return CaughtUp{}, nil
	case "subscribed":
		d.at(m.Cursor)
		d.begin(m.Feed)
		return Subscribed{Session: d.session.name, Start: m.Start, Recovered: m.Recovered, Short: m.Short, Streams: m.Streams}, nil
	case "streams":
		d.leave(m.Removed)
		d.at(m.Cursor)
		return Streams{Added: m.Added, Removed: m.Removed, Omitted: m.Omitted}, nil
	case "status":
		return Status{Stream: m.Stream, Live: m.Live, Since: time.UnixMilli(m.Since)}, nil
	case "paused":
		d.at(m.Cursor)
		return Paused{}, nil
	case "resumed":
		d.at(m.Cursor)
		return Resumed{}, nil
	case "acked":
		return Acked{Cursor: m.Cursor}, nil
	case "welcome":
		d.session.welcome(m)
		d.renewal.ends(m.ExpiresInMS)
	case "authenticated":
		d.renewal.ends(m.ExpiresInMS)
	case "token_expiring":
		d.renewal.now()
	case "closing":
		d.closing = m
		d.at(m.Cursors[d.id()])
	}
	return nil, nil
}

// ended classifies the error with which reading ended.
func (d *delivery) ended(err error) ending {
	if d.moving == nil {
		return afterClose(err, d.closing)
	}
	if d.closing == nil && errors.Is(context.Cause(d.moving), errDrain) {
		return ending{verdict: resume, err: errDrain, exact: true}
	}
	end := afterClose(err, d.closing)
	if deadline, _ := d.moving.Deadline(); end.verdict == resume && end.after == 0 {
		end.after, end.exact = max(time.Until(deadline), 0), true
	}
	return end
}

// move makes the client reconnect after a time that the server chooses, which
// spreads the reconnects of its clients before it shuts down. Events are
// delivered until then.
func (d *delivery) move(after time.Duration) (forget func()) {
	if d.moving != nil {
		return func() {}
	}
	var cancel context.CancelFunc
	d.moving, cancel = context.WithTimeoutCause(d.context, after, errDrain)
	undo := d.session.hangUpWhen(d.moving)
	return func() {
		undo()
		cancel()
	}
}

func (d *delivery) at(cursor string) {
	d.sub.mu.Lock()
	defer d.sub.mu.Unlock()
	d.sub.position.at(cursor)
}

func (d *delivery) leave(streams []string) {
	d.sub.mu.Lock()
	defer d.sub.mu.Unlock()
	d.sub.position.leave(streams)
}

func (d *delivery) pass(r Record) bool {
	d.sub.mu.Lock()
	defer d.sub.mu.Unlock()
	return d.sub.position.pass(r.Stream, r.Partition, r.Offset)
}

func (d *delivery) skip(gap Gap) bool {
	d.sub.mu.Lock()
	defer d.sub.mu.Unlock()
	return d.sub.position.skip(gap)
}

// interrupted handles the end of the subscription in a session that continues. Where the
// id of the subscription is free, the client asks for the subscription again in the same
// session; else the session is over, too.
func (d *delivery) interrupted(end ending, free bool) (over ending, again, left bool) {
	end.worked = d.worked
	if !free || d.moving != nil || end.verdict != resume && end.verdict != restart {
		return end, false, false
	}
	void := end.verdict == restart
	if void && !d.sub.forget() {
		return end, false, false
	}
	d.active, d.worked = false, false
	d.sub.setSession(nil) // no acks until the server knows the subscription again
	d.tried.judge(&end)
	delay := d.tried.after(end)
	if void && !d.yield(Gap{Stream: d.sub.request.Stream, Reason: ReasonResync}, nil) {
		return ending{}, false, true
	}
	if delay > repeatWithin {
		return ending{verdict: resume, err: end.err, after: delay, exact: true}, false, false
	}
	if !d.yield(Disconnected{Err: end.err, Retry: delay}, nil) {
		return ending{}, false, true
	}
	d.repeats = true
	d.asked++
	id := d.id()
	d.session.others.Go(func() {
		if pause(d.context, delay) == nil {
			// If the connection is lost, the reader will notice.
			_ = d.session.send(d.context, d.sub.subscribe(id))
		}
	})
	return end, true, false
}

// begin handles the server's confirmation of the subscription.
func (d *delivery) begin(feed string) {
	d.active, d.feed = true, feed
	if d.repeats && d.sub.setSession(d.session) {
		_ = d.sub.tell(d.context, d.session, true)
	}
	d.repeats = false
}

// own reports whether a record or a gap belongs to the subscription: it names the feed,
// or, without one, the stream is the name. In a pattern all streams are the client's.
func (d *delivery) own(m *message) bool {
	switch {
	case d.feed == "" || m.Feed == d.feed:
		return true
	case m.Feed != "":
		return false
	}
	return m.Stream == d.feed || d.sub.position.several
}
