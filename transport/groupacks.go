package transport

import (
	"errors"

	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// groupAck is an ack of several streams, whose named cursors are stored one by one.
type groupAck struct {
	of      *group
	id      string
	waiting int
	stored  record.Cursor
	err     error // the first
	moved   bool  // an operator has moved one of the cursors
}

// ackGroup moves the named cursors of a subscription by pattern, one for each stream, as
// far as the client's cursor has them, and answers when all of them are stored. A
// position that is ahead of what was sent moves none. Streams that have left are not
// acked.
func (s *session) ackGroup(g *group, c record.Cursor) *wire.Error {
	if g.asked.CursorName == "" {
		return wire.Errorf(wire.BadRequest, "the subscription has no cursor_name, which ack requires")
	}
	type moved struct {
		sub *subscription
		ack cursors.Ack
	}
	var all []moved
	for _, sub := range s.members(g) {
		at, ok := c.Position(sub.Stream())
		if !ok || sub.lease == nil {
			continue
		}
		ack, err := sub.Ack(at, c.At)
		if err != nil {
			return wire.Errorf(wire.BadCursor, "the cursor is ahead of the records that were sent")
		}
		all = append(all, moved{sub, ack})
	}
	if len(all) == 0 {
		return wire.Errorf(wire.BadCursor, "the cursor has none of the streams of the subscription")
	}
	answer := &groupAck{of: g, id: g.id, waiting: len(all), stored: record.Cursor{At: c.At}}
	for _, m := range all {
		stream, lease := m.sub.Stream(), m.sub.lease
		lease.Ack(m.ack, func(done cursors.Committed) {
			s.post(func(s *session, sc *scratch) {
				answer.moved = answer.moved || errors.Is(done.Err, cursors.ErrSuperseded) && wasMoved(lease, done.Err)
				s.answerGroupAck(sc, answer, stream, done)
			})
		})
	}
	return nil
}

// answerGroupAck notes that a named cursor is stored, and answers with the last one.
func (s *session) answerGroupAck(sc *scratch, a *groupAck, stream string, done cursors.Committed) {
	if done.Err == nil {
		a.stored.Streams = append(a.stored.Streams, record.StreamPosition{Stream: stream, Position: done.Position, Lease: done.Fence})
		if done.At.After(a.stored.At) {
			a.stored.At = done.At
		}
	} else if a.err == nil {
		a.err = done.Err
	}
	if a.waiting--; a.waiting > 0 {
		return
	}
	// As in answerAck.
	if now := s.findGroup(a.id); !a.moved && (!errors.Is(a.err, cursors.ErrSuperseded) || now == nil || now == a.of) {
		s.tellAcked(sc, a.id, a.stored.String(), a.err)
	}
}

// wasMoved reports whether an operator has moved a cursor, by the error of an ack. The client
// itself may have taken the name since, but is told of the move.
func wasMoved(lease *cursors.Lease, err error) bool {
	return errors.Is(err, cursors.ErrMoved) || lease.Moved()
}

// tellAcked answers an ack with what is stored, or with why it is not.
func (s *session) tellAcked(sc *scratch, id, stored string, err error) {
	if s.closing {
		return
	}
	if err == nil {
		s.send(sc, &wire.Acked{ID: id, Cursor: stored})
		return
	}
	fault := faultOf(err)
	fault.ID = id
	if errors.Is(err, cursors.ErrSuperseded) {
		// The subscription ends too. This is not the client's mistake.
		s.server.noteFault(fault, s.address)
		s.send(sc, fault)
		return
	}
	s.tellFault(sc, fault)
}
