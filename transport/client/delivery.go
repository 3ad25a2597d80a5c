package client

import (
	"context"
	"errors"
	"time"
)

// delivery passes the messages of one session to the loop.
type delivery struct {
	sub     *Subscription
	session *session
	renewal *renewal
	// context ends with the session.
	context context.Context
	yield   func(Event, error) bool

	worked  bool
	moving  context.Context // ends when the server wants the client to reconnect; nil if it does not
	closing *message        // the server's closing message
}

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
			if m.ID == subscriptionID {
				end = refusal(m)
				end.worked = d.worked
				return end, false
			}
		case "unsubscribed":
			d.at(m.Cursor)
			end = unsubscribed(m)
			end.worked = d.worked
			return end, false
		case "drain":
			defer d.move(time.Duration(m.ReconnectMS) * time.Millisecond)()
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
		record, err := m.record()
		if err != nil || !d.pass(record) {
			return nil, err
		}
		d.worked = true
		return record, nil
	case "gap":
		gap := Gap{Stream: m.Stream, Partition: m.Partition, From: m.From, To: m.To, Reason: m.Reason}
		if !d.skip(gap) {
			return nil, nil
		}
		return gap, nil
	case "cursor":
		d.at(m.Cursor)
	case "caught_up":
		d.at(m.Cursor)
		d.worked = true
		return CaughtUp{}, nil
	case "subscribed":
		d.at(m.Cursor)
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
	case "closing":
		d.closing = m
		d.at(m.Cursors[subscriptionID])
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

// refusal classifies an error in response to subscribe.
func refusal(m *message) ending {
	e := m.err()
	end := ending{err: e, after: e.RetryAfter}
	var advised bool
	end.verdict, advised = byAction(m.Action)
	switch {
	case advised:
	case m.Retryable:
		end.verdict = resume
	case m.Code == "token_expired":
		end.verdict = renew
	}
	return end
}

// unsubscribed classifies the end of the subscription while the session
// continues.
func unsubscribed(m *message) ending {
	e := m.err()
	if e.Code == "" {
		e.Code = m.Reason
	}
	end := ending{err: e, after: e.RetryAfter}
	switch {
	case m.Retryable && m.Reason != "requested":
		end.verdict = resume
	case m.Reason == ReasonRetention, m.Reason == ReasonLogChanged, m.Reason == ReasonTruncated:
		end.verdict = restart
	}
	return end
}
