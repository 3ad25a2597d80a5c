package transport

import (
	"errors"

	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// handleAck moves a named cursor and answers when the cursor is stored.
func (s *session) handleAck(r wire.Ack) {
	s.audited.asks(audit.ActCursor, "")
	c, err := record.ParseCursor(r.Cursor)
	if err != nil {
		fault := faultOf(err)
		fault.ID = r.ID
		s.fail(fault)
		return
	}
	s.post(func(s *session, sc *scratch) {
		if s.closing {
			return
		}
		if g := s.findGroup(r.ID); g != nil {
			if fault := s.ackGroup(g, c); fault != nil {
				fault.ID = r.ID
				s.tellFault(sc, fault)
			}
			return
		}
		sub, ack, fault := s.acceptAck(r.ID, c)
		if fault != nil {
			fault.ID = r.ID
			s.server.audit.failedAt(s, audit.ActCursor, "", fault)
			s.tellFault(sc, fault)
			return
		}
		stream := sub.Stream()
		sub.lease.Ack(ack, func(done cursors.Committed) {
			s.post(func(s *session, sc *scratch) { s.answerAck(sc, r.ID, sub, stream, done) })
		})
	})
}

// answerAck sends what is stored after an ack of a subscription, which may have ended
// since. If another one has its id by now, that has taken the name itself: its client must
// not believe that this one has lost the name.
//
// Where an operator has moved the cursor, the end of the subscription is the answer. An error
// that follows it would read as a refusal of the subscription that the client begins then.
func (s *session) answerAck(sc *scratch, id string, of *subscription, stream string, done cursors.Committed) {
	if done.Err != nil {
		s.server.audit.failedAt(s, audit.ActCursor, stream, faultOf(done.Err))
	}
	if now := s.find(id); errors.Is(done.Err, cursors.ErrSuperseded) && (now != nil && now != of || wasMoved(of.lease, done.Err)) {
		return
	}
	s.tellAcked(sc, id, storedCursor(stream, done.Stored), done.Err)
}

// acceptAck finds the subscription and the position that an ack refers to. The
// position must not be ahead of what was sent.
func (s *session) acceptAck(id string, c record.Cursor) (*subscription, cursors.Ack, *wire.Error) {
	sub := s.find(id)
	switch {
	case sub == nil:
		return nil, cursors.Ack{}, wire.Errorf(wire.BadRequest, "no subscription has this id")
	case sub.lease == nil:
		return nil, cursors.Ack{}, wire.Errorf(wire.BadRequest, "the subscription has no cursor_name, which ack requires")
	}
	at, ok := c.Position(sub.Stream())
	if !ok {
		return nil, cursors.Ack{}, wire.Errorf(wire.BadCursor, "the cursor belongs to another stream")
	}
	ack, err := sub.Ack(at, c.At)
	if err != nil {
		return nil, cursors.Ack{}, wire.Errorf(wire.BadCursor, "the cursor is ahead of the records that were sent")
	}
	return sub, ack, nil
}

// storedCursor returns the text of a cursor that is stored under a name.
func storedCursor(stream string, stored cursors.Stored) string {
	at := record.StreamPosition{Stream: stream, Position: stored.Position, Lease: stored.Fence}
	return record.Cursor{At: stored.At, Streams: []record.StreamPosition{at}}.String()
}
