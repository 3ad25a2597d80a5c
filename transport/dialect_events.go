package transport

import (
	"time"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/compress"
	"sluice/transport/wire"
)

// longCursorEvery is how often a cursor is written, at most, that is too long for
// every event.
const longCursorEvery = 100 * time.Millisecond

// eventStream is server-sent events (HTML standard, section 9.2). Every write
// ends with an id, so that the client comes back to where it was.
type eventStream struct{ broadcast }

func (eventStream) name() string         { return "text/event-stream" }
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

// encodeClosing makes the last event. Its id is where to go on, or says that
// there is no sense in coming back: an EventSource comes back with the id by
// itself, and with a position that is of no use it would for ever. Who is to
// start anew has to do so by itself.
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
	return wire.AppendNamedSSE(dst, wire.EventClose, id, m.Append(nil))
}

// afterStep gives the last event of a write the id to come back with.
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
		// Its end is everybody's.
		d.tellPosition(s, sc)
		return
	}
	s.needsID = false
	// In place of the empty line at its end comes the id, and then that line.
	buf := sc.batch.Bufs[last]
	sc.batch.Bufs[last] = buf[:len(buf)-1]
	start := len(sc.arena)
	sc.arena = wire.AppendSSEID(sc.arena, cursor)
	s.write(sc, start)
}

// rewound gives the event the id that its write was to end with.
func (eventStream) rewound(s *session, _ *subscription, rest []byte, now monotime) []byte {
	return wire.AppendSSEID(rest[:len(rest)-1], s.cursor(now))
}

func (eventStream) onTime(s *session, sc *scratch) { s.onQuiet(sc, longCursorEvery) }

func (eventStream) nextDue(s *session) monotime { return s.nextQuiet(longCursorEvery) }
