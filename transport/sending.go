package transport

import (
	"slices"
	"time"

	"sluice/hub/record"
	"sluice/transport/wire"
)

// cursorEvery is how often a client is told where it is, at most, where that is
// a message of its own.
const cursorEvery = time.Second

// cursorOf is what the client is to come back with: the position of one
// subscription, or where there is one cursor for all, that one.
func (s *session) cursorOf(sub *subscription, sc *scratch) string {
	if s.dialect.converses() || len(s.subs) == 1 {
		return sub.Cursor()
	}
	return s.cursor(sc.now)
}

// cursor is the text of a cursor of all subscriptions.
func (s *session) cursor(now monotime) string {
	if len(s.subs) == 1 {
		return s.subs[0].Cursor()
	}
	c := record.Cursor{At: now.Time()}
	for _, sub := range s.subs {
		c.Streams = append(c.Streams, record.StreamPosition{Stream: sub.Stream(), Position: sub.Position()})
	}
	return c.String()
}

func (sub *subscription) know(cursor string, now monotime) {
	sub.sent, sub.sentAt, sub.delivered = cursor, now, false
}

// sendCursor tells a WebSocket client where a subscription is.
func (s *session) sendCursor(sub *subscription, sc *scratch) {
	cursor := sub.Cursor()
	if sc.given.sub != sub {
		sc.given.sub = nil
	}
	if cursor != sub.sent {
		s.send(sc, &wire.Cursor{Feed: sub.Feed().Name(), Cursor: cursor})
	}
	sub.know(cursor, sc.now)
}

// send adds an answer or a control event to what is written.
func (s *session) send(sc *scratch, m wire.Message) {
	start := len(sc.arena)
	sc.arena, sc.json = s.dialect.encode(sc.arena, sc.json[:0], m)
	if len(sc.arena) == start {
		return
	}
	sc.hasID = false
	s.write(sc, start)
}

// sendPosition is send for a message that tells the client where it is.
func (s *session) sendPosition(sc *scratch, m wire.Message) {
	s.send(sc, m)
	sc.hasID = true
}

// sendRaw adds bytes that are framed already.
func (s *session) sendRaw(sc *scratch, b []byte) {
	start := len(sc.arena)
	sc.arena = append(sc.arena, b...)
	s.write(sc, start)
}

// write adds what was put into the arena from a place on. Behind a close there
// is nothing.
func (s *session) write(sc *scratch, start int) {
	if s.closing {
		return
	}
	if s.shares != nil && s.shares.stream != nil {
		s.shares.window.Break()
	}
	sc.batch.Bufs = append(sc.batch.Bufs, sc.arena[start:])
}

// putInFront adds what goes in front of the buffers from a place on, which have
// so many bytes.
func (s *session) putInFront(sc *scratch, from, size int) {
	start := len(sc.arena)
	sc.arena = s.dialect.appendHead(sc.arena, size)
	if len(sc.arena) == start {
		return
	}
	sc.given.sub = nil // what is in front says how much there is
	sc.batch.Bufs = slices.Insert(sc.batch.Bufs, from, sc.arena[start:])
}
