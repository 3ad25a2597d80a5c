package transport

import (
	"strconv"
	"time"

	"sluice/transport/wire"
)

// movedEvery is how often a client is sent a position that moved only over records
// that were not delivered to it.
const movedEvery = 15 * time.Second

// conversation is the conduct of dialects that are carried by a WebSocket, with text
// messages. Each subscription's cursor is sent at most once in cursorEvery, and
// pings detect whether the client is alive.
type conversation struct{}

func (conversation) protocol() protocol { return protocolWebSocket }

func (conversation) converses() bool { return true }

func (conversation) contentType() string { return "" }

func (conversation) binary() bool { return false }

func (conversation) listen(s *session) { s.listenToMessages() }

func (conversation) afterEvents(s *session, sub *subscription, sc *scratch) {
	if sub.delivered && sc.now.Sub(sub.sentAt) >= cursorEvery {
		s.sendCursor(sub, sc)
	}
}

func (conversation) afterStep(*session, *scratch) {}

// rewound makes the client's cursor be sent again.
func (conversation) rewound(_ *session, sub *subscription, rest []byte, _ monotime) []byte {
	sub.sent, sub.sentAt, sub.delivered = "", 0, true
	return rest
}

// onTime sends pings, checks whether the client is alive, and sends positions.
func (conversation) onTime(s *session, sc *scratch) {
	ws, now := s.ws, sc.now
	if !ws.authBy.IsZero() && !now.Before(ws.authBy) {
		s.close(sc, s.endUnauthenticated())
		return
	}
	if !ws.pongBy.IsZero() {
		switch {
		case s.lastSign.Load() >= int64(ws.pinged):
			ws.pongBy = 0
		case s.unread.Load():
			// The pong may have arrived.
			ws.pongBy = now.Add(s.server.limits().PongWithin)
		case !now.Before(ws.pongBy):
			s.close(sc, endNoPong())
			return
		}
	}
	if !now.Before(ws.nextPing) && ws.welcomed {
		ws.pings++
		payload := strconv.AppendUint(nil, ws.pings, 10)
		s.sendRaw(sc, wire.AppendControl(nil, wire.OpPing, payload))
		s.send(sc, &wire.Ping{})
		if ws.pongBy.IsZero() {
			// Otherwise the deadline of an earlier ping stays: pings that are sent
			// more often than pong_within would postpone it forever.
			ws.pinged, ws.pongBy = now, now.Add(s.server.limits().PongWithin)
		}
		ws.nextPing = now.Add(jittered(ws.pingEvery))
		for _, sub := range s.subs {
			if sub.auto {
				sub.pings.add(ws.pings, sub.Acked(sub.reachedAt(now).Time()))
			}
		}
	}
	for _, sub := range s.subs {
		if sub.Paused() {
			continue // the client knows its position
		}
		since := now.Sub(sub.sentAt)
		if sub.delivered && since >= cursorEvery || since >= movedEvery {
			s.sendCursor(sub, sc)
		}
	}
}

func (conversation) nextDue(s *session) monotime {
	next := earlier(earlier(s.ws.authBy, s.ws.nextPing), s.ws.pongBy)
	for _, sub := range s.subs {
		switch {
		case sub.Paused():
		case sub.delivered:
			next = earlier(next, sub.sentAt.Add(cursorEvery))
		default:
			next = earlier(next, sub.sentAt.Add(movedEvery))
		}
	}
	return next
}
