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
	switch {
	case s.dialect.converses():
		for _, sub := range s.subs {
			closing.Cursors = append(closing.Cursors, wire.SubscriptionCursor{ID: sub.id, Cursor: sub.Cursor()})
		}
	case len(s.subs) > 0:
		closing.Cursor = s.cursor(sc.now)
	}
	start := len(sc.arena)
	sc.arena = s.dialect.encodeClosing(sc.arena, closing, closeCode, reason)
	s.write(sc, start)
	s.close()
}

// close notes that the last bytes are on their way.
func (s *session) close() {
	s.closing = true
	s.stopReading()
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
		s.send(sc, &wire.Drain{Reconnect: after})
	})
}
