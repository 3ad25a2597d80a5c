package transport

import (
	"time"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/compress"
	"sluice/transport/wire"
)

// longCursorEvery is the shortest interval between two cursors that are too long to
// be written with every event.
const longCursorEvery = 100 * time.Millisecond

// eventStream is server-sent events (HTML standard, section 9.2). Every write ends
// with an id, so that the client resumes where it was.
type eventStream struct{ broadcast }

func (eventStream) name() string         { return "text/event-stream" }
func (eventStream) contentType() string  { return "text/event-stream" }
func (eventStream) protocol() protocol   { return protocolEvents }
func (eventStream) format() event.Format { return wire.Events{} }
func (eventStream) codec() hub.Codec     { return compress.Gzip{} }

func (eventStream) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	var name wire.EventName
	switch m := m.(type) {
	case *wire.Ready:
		spare = m.Append(spare)
		dst = wire.AppendRetry(dst, comeBackSoon())
		return wire.AppendNamedSSE(dst, wire.EventReady, m.Cursor, spare), spare
	case *wire.Cursor:
		spare = wire.AppendCursorData(spare, m.Cursor)
		return wire.AppendNamedSSE(dst, wire.EventCursor, m.Cursor, spare), spare
	case *wire.Streams:
		spare = m.Append(spare)
		return wire.AppendNamedSSE(dst, wire.EventStreams, m.Cursor, spare), spare
	case *wire.CaughtUp:
		name = wire.EventCaughtUp
	case *wire.Status:
		name = wire.EventStatus
	case *wire.TokenExpiring:
		name = wire.EventTokenExpiring
	default:
		return dst, spare
	}
	spare = m.Append(spare)
	return wire.AppendNamedSSE(dst, name, "", spare), spare
}

// encodeClosing appends the last event. Its id is the position to resume from, or
// tells the client that reconnecting is useless: an EventSource reconnects with the
// last id by itself, and would do so forever with a position that is of no use. A
// client that has to start anew must do so by itself, unless the position that is of
// no use is the id itself: without it the EventSource starts at what its URL says.
func (eventStream) encodeClosing(dst []byte, m *wire.Closing, _ int, _ string) []byte {
	if m.Action == wire.Resync {
		m.Cursor = ""
	}
	id := m.Cursor
	switch m.Action {
	case wire.Stop, wire.Resync:
		id = wire.LastEventIDEnd
	case wire.Resume, wire.Reauthenticate:
	}
	if m.RetryAfter > 0 {
		dst = wire.AppendRetry(dst, m.RetryAfter)
	}
	if m.Forget {
		return wire.AppendForgettingSSE(dst, wire.EventClose, m.Append(nil))
	}
	return wire.AppendNamedSSE(dst, wire.EventClose, id, m.Append(nil))
}

// afterStep adds the id to resume from to the last event of a write.
func (d eventStream) afterStep(s *session, sc *scratch) {
	last := len(sc.batch.Bufs) - 1
	if sc.hasID || last < 0 || s.closing {
		return
	}
	cursor := s.cursor(sc.now)
	if !wire.ShortID(cursor) {
		if sc.now.Sub(s.lastID) < longCursorEvery {
			s.needsID = true
			return
		}
		s.lastID = sc.now
	}
	if sc.endsCompressed() {
		// The block is shared, so the id cannot be added to its last event.
		d.tellPosition(s, sc)
		return
	}
	s.needsID = false
	// Replace the empty line at the end of the event by the id and an empty line.
	buf := sc.batch.Bufs[last]
	sc.batch.Bufs[last] = buf[:len(buf)-1]
	start := len(sc.arena)
	sc.arena = wire.AppendSSEID(sc.arena, cursor)
	s.write(sc, start)
}

// rewound adds the id that the write would have ended with to the event.
func (eventStream) rewound(s *session, _ *subscription, rest []byte, now monotime) []byte {
	return wire.AppendSSEID(rest[:len(rest)-1], s.cursor(now))
}

func (eventStream) onTime(s *session, sc *scratch) { s.onQuiet(sc, longCursorEvery) }

func (eventStream) nextDue(s *session) monotime { return s.nextQuiet(longCursorEvery) }
