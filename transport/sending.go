package transport

import (
	"slices"
	"time"

	"sluice/hub/record"
	"sluice/transport/wire"
)

// cursorOf is what the client is to come back with: the position of one
// subscription, or outside WebSocket that of all together.
func (s *session) cursorOf(sub *subscription, sc *scratch) string {
	if s.kind == kindWebSocket || len(s.subs) == 1 {
		return sub.Cursor()
	}
	return s.cursor(sc.now)
}

// cursor is the text of a cursor of all subscriptions.
func (s *session) cursor(now moment) string {
	if len(s.subs) == 1 {
		return s.subs[0].Cursor()
	}
	c := record.Cursor{At: now.Time()}
	for _, sub := range s.subs {
		c.Streams = append(c.Streams, record.StreamPosition{Stream: sub.Stream(), Position: sub.Position()})
	}
	return c.String()
}

func (sub *subscription) know(cursor string, now moment) {
	sub.told, sub.toldAt, sub.delivered = cursor, now, false
}

// sendCursor tells a WebSocket client where a subscription is.
func (s *session) sendCursor(sub *subscription, sc *scratch) {
	cursor := sub.Cursor()
	if sc.given.sub != sub {
		sc.given.sub = nil
	}
	if cursor != sub.told {
		s.send(sc, "", &wire.Cursor{Feed: sub.Feed().Name(), Cursor: cursor})
	}
	sub.know(cursor, sc.now)
}

// send adds a message to what is written. Name is that of a server-sent event.
func (s *session) send(sc *scratch, name wire.EventName, m wire.Message) {
	sc.json = m.Append(sc.json[:0])
	start := len(sc.arena)
	switch s.kind {
	case kindWebSocket:
		sc.arena = wire.AppendFrame(sc.arena, wire.OpText, sc.json)
	case kindEvents:
		sc.arena = wire.AppendNamedSSE(sc.arena, name, "", sc.json)
		sc.hasID = false
	case kindLines:
		sc.arena = append(append(sc.arena, sc.json...), '\n')
	}
	s.write(sc, start)
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

// longCursor is how long a cursor is that is not written with every event, but
// at most every longCursorEvery.
const (
	longCursor      = 256
	longCursorEvery = 100 * time.Millisecond
	cursorEvery     = time.Second
)

// shortID reports whether a cursor is written with every event.
func shortID(cursor string) bool { return len(cursor) <= longCursor }

// makeMessage makes one message of the buffers from a place on, which have so
// many bytes.
func (s *session) makeMessage(sc *scratch, from, size int) {
	start := len(sc.arena)
	sc.given.sub = nil // the message's length has been said
	sc.arena = wire.AppendFrameHeader(sc.arena, wire.OpText, size)
	sc.batch.Bufs = slices.Insert(sc.batch.Bufs, from, sc.arena[start:])
}

// identify gives the last event of a write the id to come back with.
func (s *session) identify(sc *scratch) {
	last := len(sc.batch.Bufs) - 1
	if sc.hasID || last < 0 || s.closing {
		return
	}
	cursor := s.cursor(sc.now)
	if !shortID(cursor) {
		if sc.now.Sub(s.lastID) < longCursorEvery {
			s.needsID = true
			return
		}
		s.lastID = sc.now
	}
	if sc.endsCompressed() {
		// Its end is everybody's.
		s.beat(sc)
		return
	}
	s.needsID = false
	// In place of the empty line at its end comes the id, and then that line.
	buf := sc.batch.Bufs[last]
	sc.batch.Bufs[last] = buf[:len(buf)-1]
	start := len(sc.arena)
	sc.arena = append(sc.arena, "id: "...)
	sc.arena = append(sc.arena, cursor...)
	sc.arena = append(sc.arena, "\n\n"...)
	s.write(sc, start)
}

// tellPosition tells a client that reads lines where it is, now and then.
func (s *session) tellPosition(sc *scratch) {
	switch {
	case s.closing || !s.needsID && sc.batch.Records+sc.batch.Gaps == 0:
	case sc.now.Sub(s.lastID) < cursorEvery:
		s.needsID = true
	default:
		s.beat(sc)
	}
}
