package transport

import (
	"time"

	"sluice/transport/wire"
)

// shut ends a session for a fault, which it is told first. What is written
// behind it is nothing.
func (s *session) shut(sc *scratch, fault *wire.Error) {
	if s.closing {
		return
	}
	info := fault.Code.Info()
	code := info.Close
	if code == 0 {
		code = wire.Internal.Info().Close
	}
	s.server.noteFault(fault, s.address)
	s.shutAs(sc, fault, info.Action, code, fault.Message)
}

// shutWith ends a WebSocket session with a close code of RFC 6455's own.
func (s *session) shutWith(sc *scratch, code wire.Code, closeCode int, reason string) {
	if s.closing {
		return
	}
	fault := wire.Errorf(code, "%s", reason)
	s.server.noteFault(fault, s.address)
	s.shutAs(sc, fault, wire.Stop, closeCode, reason)
}

func (s *session) shutAs(sc *scratch, fault *wire.Error, action wire.Action, closeCode int, reason string) {
	closing := closingOf(fault)
	closing.Action = action
	switch s.kind {
	case kindWebSocket:
		closing.Close = closeCode
		for _, sub := range s.subs {
			closing.Cursors = append(closing.Cursors, wire.SubscriptionCursor{ID: sub.id, Cursor: sub.Cursor()})
		}
		s.send(sc, "", closing)
		s.sendRaw(sc, wire.AppendClose(nil, closeCode, reason))
	case kindLines:
		closing.Cursor = s.cursor(sc.now)
		s.send(sc, "", closing)
	case kindEvents:
		if len(s.subs) > 0 && closing.Action != wire.Resync {
			closing.Cursor = s.cursor(sc.now)
		}
		start := len(sc.arena)
		sc.arena = appendClose(sc.arena, closing)
		s.write(sc, start)
		sc.hasID = true
	}
	s.close()
}

// close notes that the last bytes are on their way.
func (s *session) close() {
	s.closing = true
	s.stopReading()
}

// appendClose appends the last event of an event stream. Its id is where to go
// on, or says that there is no sense in coming back: an EventSource comes back
// with the id by itself, and with a position that is of no use it would for
// ever. Who is to start anew has to do so by itself.
func appendClose(dst []byte, closing *wire.Closing) []byte {
	id := closing.Cursor
	switch closing.Action {
	case wire.Stop, wire.Resync:
		id = wire.LastEventIDEnd
	case wire.Resume, wire.Reauthenticate:
	}
	if closing.RetryAfter > 0 {
		dst = wire.AppendRetry(dst, closing.RetryAfter)
	}
	return wire.AppendNamedSSE(dst, wire.EventClose, id, closing.Append(nil))
}

// answerClose answers a client's close frame with its own code.
func (s *session) answerClose(sc *scratch, code int) {
	if s.closing {
		return
	}
	if code == websocketNoStatus {
		code = wire.CloseFinished
	}
	s.sendRaw(sc, wire.AppendClose(nil, code, ""))
	s.close()
}

// drainSoon tells a session when it is to come back elsewhere, and ends it
// then.
func (s *session) drainSoon(after time.Duration) {
	s.post(func(s *session, sc *scratch) {
		if s.closing || !s.closeAt.IsZero() {
			return
		}
		s.closeAt = sc.now.Add(after)
		s.due.Store(0)
		if s.kind == kindWebSocket {
			s.send(sc, "", &wire.Drain{Reconnect: after})
		}
	})
}
