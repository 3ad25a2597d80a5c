package transport

import (
	"time"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/wire"
)

// broadcast is the conduct of dialects that are carried by the response to a
// request: the client sends nothing more. The client is sent its position at most
// once in cursorEvery, and when nothing else was sent for the session's heartbeat.
type broadcast struct{}

func (broadcast) converses() bool { return false }

// decode is not called: there are no requests.
func (broadcast) decode([]byte, wire.Limits) (wire.Request, *wire.Error) {
	return nil, wire.Errorf(wire.BadRequest, "requests are not supported on this endpoint")
}

func (broadcast) binary() bool { return false }

func (broadcast) appendHead(dst []byte, _ int) []byte { return dst }

func (broadcast) listen(s *session) { s.listenForEnd() }

func (broadcast) afterEvents(*session, *subscription, *scratch) {}

func (b broadcast) afterStep(s *session, sc *scratch) {
	switch {
	case s.closing || !s.needsID && sc.batch.Records+sc.batch.Gaps == 0:
	case sc.now.Sub(s.lastID) < cursorEvery:
		s.needsID = true
	default:
		b.tellPosition(s, sc)
	}
}

func (broadcast) rewound(s *session, _ *subscription, rest []byte, _ monotime) []byte {
	s.needsID = true
	return rest
}

func (broadcast) onTime(s *session, sc *scratch) { s.onQuiet(sc, cursorEvery) }

func (broadcast) nextDue(s *session) monotime { return s.nextQuiet(cursorEvery) }

// tellPosition sends the session's position, which also keeps an idle connection
// alive.
func (broadcast) tellPosition(s *session, sc *scratch) {
	s.sendPosition(sc, &wire.Cursor{Cursor: s.cursor(sc.now)})
	s.needsID, s.lastID = false, sc.now
}

// onQuiet sends the session's position when nothing was sent for the heartbeat, or,
// at most once in idEvery, when a position is still to be sent.
func (s *session) onQuiet(sc *scratch, idEvery time.Duration) {
	if sc.now.Sub(s.lastWrite) >= s.heartbeat || s.needsID && sc.now.Sub(s.lastID) >= idEvery {
		broadcast{}.tellPosition(s, sc)
	}
}

// nextQuiet is when onQuiet has something to do next.
func (s *session) nextQuiet(idEvery time.Duration) monotime {
	next := s.lastWrite.Add(s.heartbeat)
	if s.needsID {
		next = earlier(next, s.lastID.Add(idEvery))
	}
	return next
}

// jsonStream is NDJSON: each message of a WebSocket becomes a line.
type jsonStream struct{ broadcast }

func (jsonStream) name() string         { return wire.LinesType }
func (jsonStream) contentType() string  { return wire.LinesType }
func (jsonStream) protocol() protocol   { return protocolLines }
func (jsonStream) format() event.Format { return wire.Lines{} }
func (jsonStream) codec() hub.Codec     { return nil }

func (jsonStream) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	if _, converses := m.(*wire.Drain); converses {
		return dst, spare
	}
	return append(m.Append(dst), '\n'), spare
}

func (jsonStream) encodeClosing(dst []byte, m *wire.Closing, _ int, _ string) []byte {
	return append(m.Append(dst), '\n')
}
