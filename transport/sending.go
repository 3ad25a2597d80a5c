package transport

import (
	"slices"
	"time"

	"sluice/hub/record"
	"sluice/transport/wire"
)

// cursorEvery is the shortest interval between two positions that are sent as
// messages of their own.
const cursorEvery = time.Second

// cursorOf returns the cursor that the client resumes from: that of one
// subscription, or that of all subscriptions if the session has a single cursor.
func (s *session) cursorOf(sub *subscription, sc *scratch) string {
	if s.dialect.converses() {
		return sub.Cursor()
	}
	return s.cursor(sc.now)
}

// cursor returns the text of the cursor of all subscriptions.
func (s *session) cursor(now monotime) string {
	if len(s.subs) == 1 && len(s.groups) == 0 {
		return s.subs[0].Cursor()
	}
	return s.allPositions(now.Time()).String()
}

// allPositions returns the cursor of all subscriptions, created at a time.
func (s *session) allPositions(at time.Time) record.Cursor {
	c := record.Cursor{At: at}
	for _, sub := range s.subs {
		c.Streams = append(c.Streams, sub.StreamPosition())
	}
	for _, g := range s.groups {
		for _, a := range g.apart {
			if _, twice := c.Position(a.Stream); !twice {
				c.Streams = append(c.Streams, a.StreamPosition)
			}
		}
	}
	return c
}

// sendCursor sends the position of a subscription to a WebSocket client.
func (s *session) sendCursor(sub *subscription, sc *scratch) {
	if sc.given.sub != sub {
		sc.given.sub = nil
	}
	if sub.group != nil {
		s.sendGroupCursor(sub.group, sc)
		return
	}
	cursor := sub.Cursor()
	if cursor != sub.sent {
		s.send(sc, &wire.Cursor{Feed: sub.Feed().Name(), Cursor: cursor})
	}
	sub.know(cursor, sc.now)
}

// sendGroupCursor sends the position of a group, if it has moved. The time of a cursor,
// from which a client that resumes receives streams that are new to it, does not matter
// while nothing moves: the earlier one only makes it receive more.
func (s *session) sendGroupCursor(g *group, sc *scratch) {
	c := s.positions(g, time.Time{})
	text := c.String()
	if text != g.told.sent {
		c.At = sc.now.Time()
		s.send(sc, &wire.Cursor{Feed: g.text, Cursor: c.String()})
	}
	g.told.know(text, sc.now)
}

// send adds an answer or a control event to the output.
func (s *session) send(sc *scratch, m wire.Message) {
	start := len(sc.arena)
	sc.arena, sc.json = s.dialect.encode(sc.arena, sc.json[:0], m)
	if len(sc.arena) == start {
		return
	}
	sc.hasID = false
	s.write(sc, start)
}

// sendPosition is send for a message that contains the client's position.
func (s *session) sendPosition(sc *scratch, m wire.Message) {
	s.send(sc, m)
	sc.hasID = true
}

// sendRaw adds bytes that are already framed to the output.
func (s *session) sendRaw(sc *scratch, b []byte) {
	start := len(sc.arena)
	sc.arena = append(sc.arena, b...)
	s.write(sc, start)
}

// write adds the bytes of the arena from start on to the output. Nothing is added
// after a close.
func (s *session) write(sc *scratch, start int) {
	if s.closing {
		return
	}
	if s.shares != nil && s.shares.stream != nil {
		s.shares.window.Break()
	}
	sc.batch.Bufs = append(sc.batch.Bufs, sc.arena[start:])
}

// putInFront inserts what precedes the buffers from index from on, which have size
// bytes.
func (s *session) putInFront(sc *scratch, from, size int) {
	start := len(sc.arena)
	sc.arena = s.dialect.appendHead(sc.arena, size)
	if len(sc.arena) == start {
		return
	}
	sc.given.sub = nil // the header contains the length
	sc.batch.Bufs = slices.Insert(sc.batch.Bufs, from, sc.arena[start:])
}
