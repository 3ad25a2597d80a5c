package transport

import (
	"time"

	"sluice/transport/wire"
)

// takeDeflated notes whether the message that begins is compressed. Where that
// has not been agreed on, it is left to the library to refuse it.
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

// awaitTurn has a session wait whose compressed messages have become so many
// more bytes: a few of them on the wire make much work.
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

// mostOnWire is how large a message of so many bytes may be on its way. What does
// not compress gets larger: a stored block has a header of five bytes (RFC 1951,
// section 3.2.4), and blocks may be small.
func (ws *webSocket) mostOnWire(most int) int {
	if most <= 0 || !ws.deflates {
		return most
	}
	return most + most/64 + 64
}
