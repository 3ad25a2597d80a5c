package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"

	"sluice/transport/wire"
)

// inflaters decompress messages. None of them belongs to a connection, as
// clients begin each message anew.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

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
	ws, most, now := s.ws, s.server.config.Limits.InflatedPerSecond, monotimeNow()
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

// maxLastBlocks bounds how many blocks of a message say that they are the last
// one. Behind each the inflater is laid out anew with the whole window, which
// costs more than a thousand times what the two bytes of an empty one do.
const maxLastBlocks = 16

// inflate gives what a compressed message (RFC 7692, section 7.2.2) holds, as
// far as a byte more than a limit; 0 for any. The message is used up.
func inflate(message *bytes.Buffer, most int) (*bytes.Buffer, error) {
	plain, ok := messageBuffers.Get().(*bytes.Buffer)
	if !ok {
		plain = new(bytes.Buffer)
	}
	plain.Reset()
	inflater, ok := inflaters.Get().(interface {
		io.Reader
		flate.Resetter
	})
	if !ok {
		return nil, errors.New("get inflater: it cannot be used again")
	}
	defer inflaters.Put(inflater)
	// Behind the tail that every message is sent without comes a last block, so
	// that the end of a message that was cut short is not taken for one.
	const end = deflateTail + "\x01\x00\x00\xff\xff"
	message.WriteString(end)
	for lastBlocks := 0; message.Len() > len(end); lastBlocks++ {
		// Behind a last block, which none has to have, there may be more.
		if lastBlocks > maxLastBlocks {
			messageBuffers.Put(plain)
			return nil, fmt.Errorf("inflate message: more than %d blocks are the last one", maxLastBlocks)
		}
		window := plain.Bytes()[max(0, plain.Len()-1<<maxWindowBits):]
		if err := inflater.Reset(message, window); err != nil {
			return nil, fmt.Errorf("reset inflater: %w", err)
		}
		r := io.Reader(inflater)
		if most > 0 {
			r = io.LimitReader(r, int64(most)+1-int64(plain.Len()))
		}
		switch _, err := plain.ReadFrom(r); {
		case most > 0 && plain.Len() > most:
			return plain, nil
		case err != nil:
			messageBuffers.Put(plain)
			return nil, fmt.Errorf("inflate message: %w", err)
		}
	}
	return plain, nil
}
