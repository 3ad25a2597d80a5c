package transport

import (
	"math/rand/v2"
	"strconv"
	"time"

	"sluice/transport/wire"
)

// expiryWarning is how long before its end a token is said to end.
const expiryWarning = time.Minute

// movedEvery is how often a client is told that a position moved over records
// that were not for it.
const movedEvery = 15 * time.Second

// onTime does what has become due.
func (s *session) onTime(sc *scratch) {
	now := sc.now
	if int64(now) < s.due.Load() {
		return
	}
	if !s.expiry.IsZero() {
		left := s.expiry.Sub(now)
		if left <= 0 {
			s.shut(sc, wire.Errorf(wire.TokenExpired, "the token has expired: come back with a new one"))
			return
		}
		if left <= expiryWarning && !s.warned {
			s.warned = true
			s.send(sc, wire.EventTokenExpiring, &wire.TokenExpiring{ExpiresIn: left})
		}
	}
	if !s.closeAt.IsZero() && !now.Before(s.closeAt) && (s.inFlight.Load() == 0 || !now.Before(s.server.drainEnd())) {
		s.shut(sc, &wire.Error{
			Code:       wire.Draining,
			Message:    "this instance is going away: come back to another one",
			RetryAfter: s.server.comeBack(),
		})
		return
	}
	if s.kind == kindWebSocket {
		s.ws.onTime(s, sc)
		return
	}
	if now.Sub(s.lastWrite) >= s.heartbeat || s.needsID && now.Sub(s.lastID) >= s.idEvery() {
		s.beat(sc)
	}
}

// idEvery is how often a client is told a position that does not go with every
// event.
func (s *session) idEvery() time.Duration {
	if s.kind == kindLines {
		return cursorEvery
	}
	return longCursorEvery
}

// beat tells where an event stream is, which keeps a quiet one alive.
func (s *session) beat(sc *scratch) {
	cursor := s.cursor(sc.now)
	if s.kind == kindLines {
		s.send(sc, "", &wire.Cursor{Cursor: cursor})
	} else {
		sc.json = wire.AppendCursorData(sc.json[:0], cursor)
		start := len(sc.arena)
		sc.arena = wire.AppendNamedSSE(sc.arena, wire.EventCursor, cursor, sc.json)
		s.write(sc, start)
	}
	sc.hasID, s.needsID, s.lastID = true, false, sc.now
}

// schedule notes when something is due next.
func (s *session) schedule(now moment) {
	next := now.Add(time.Minute)
	sooner := func(t moment) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if !s.expiry.IsZero() {
		if !s.warned {
			sooner(s.expiry.Add(-expiryWarning))
		}
		sooner(s.expiry)
	}
	sooner(s.closeAt)
	if s.kind == kindWebSocket {
		s.ws.schedule(s, sooner)
	} else {
		sooner(s.lastWrite.Add(s.heartbeat))
		if s.needsID {
			sooner(s.lastID.Add(s.idEvery()))
		}
	}
	s.wakeAt(next, now)
}

// wakeAt has the session looked at when something is due. Where it stands later
// in the wheel than it need, it is moved: when what was due has come, or
// something is due sooner.
func (s *session) wakeAt(next, now moment) {
	if before := moment(s.due.Swap(int64(next))); next < before || before <= now {
		s.worker.reschedule(s, next)
	}
}

// jittered is a span, or up to a tenth less, so that what began together does
// not go on together.
func jittered(span time.Duration) time.Duration { return span - rand.N(span/10+1) }

// onTime pings, finds out whether the client is alive, and tells positions.
func (ws *webSocket) onTime(s *session, sc *scratch) {
	now := sc.now
	if !ws.authBy.IsZero() && !now.Before(ws.authBy) {
		s.shut(sc, wire.Errorf(wire.AuthTimeout, "no credential came in time: send auth as the first message"))
		return
	}
	if !ws.pongBy.IsZero() {
		switch {
		case s.heard.Load() >= int64(ws.pinged):
			ws.pongBy = 0
		case !now.Before(ws.pongBy):
			s.shut(sc, wire.Errorf(wire.NoPong, "no sign of life came since the last ping"))
			return
		}
	}
	if !now.Before(ws.nextPing) && ws.welcomed {
		ws.pings++
		payload := strconv.AppendUint(nil, ws.pings, 10)
		s.sendRaw(sc, wire.AppendControl(nil, wire.OpPing, payload))
		s.send(sc, "", &wire.Ping{})
		if ws.pongBy.IsZero() {
			// Else the deadline of an earlier ping stands: pings that come more
			// often than pong_within would put it off for ever.
			ws.pinged, ws.pongBy = now, now.Add(s.server.config.Limits.PongWithin)
		}
		ws.nextPing = now.Add(jittered(ws.pingEvery))
		for _, sub := range s.subs {
			if sub.auto {
				sub.pings.add(ws.pings, sub.Acked(now.Time()))
			}
		}
	}
	for _, sub := range s.subs {
		since := now.Sub(sub.toldAt)
		if sub.delivered && since >= cursorEvery || since >= movedEvery {
			s.sendCursor(sub, sc)
		}
	}
}

func (ws *webSocket) schedule(s *session, sooner func(moment)) {
	sooner(ws.authBy)
	sooner(ws.nextPing)
	sooner(ws.pongBy)
	for _, sub := range s.subs {
		if sub.delivered {
			sooner(sub.toldAt.Add(cursorEvery))
		} else {
			sooner(sub.toldAt.Add(movedEvery))
		}
	}
}
