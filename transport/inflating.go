package transport

import (
	"time"

	"sluice/transport/wire"
)

// takeDeflated records whether the next message is compressed. If compression has
// not been agreed on, the library refuses a compressed message.
func (s *session) takeDeflated() error {
	s.ws.deflated = false
	if !s.ws.deflates {
		return nil
	}
	head, err := s.ws.input.frames.Peek(wire.ControlHead)
	if err != nil {
		return err
	}
	s.ws.deflated = wire.TakeDeflated(head)
	return nil
}

// awaitTurn counts more decompressed bytes of a session's messages, and waits once
// they exceed the limit: a few compressed bytes can cause much work.
func (s *session) awaitTurn(more int) {
	const span = time.Second
	ws, most, now := s.ws, s.server.limits().InflatedPerSecond, monotimeNow()
	if past := now.Sub(ws.inflatedSince); past >= span {
		ws.inflated, ws.inflatedSince = 0, now
	}
	if ws.inflated += more; most <= 0 || ws.inflated <= most {
		return
	}
	timer := time.NewTimer(span - now.Sub(ws.inflatedSince))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ended():
	}
}

// mostOnWire returns how large a message of most bytes may be on the wire.
// Incompressible data grows: a stored block has a header of five bytes (RFC 1951,
// section 3.2.4), and blocks may be small.
func (ws *webSocket) mostOnWire(most int) int {
	if most <= 0 || !ws.deflates {
		return most
	}
	return most + most/64 + 64
}
