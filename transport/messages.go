package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/compress"
	"sluice/transport/socket"
	"sluice/transport/wire"
)

// A message in fragments of one byte takes seven times its size on the wire. A
// message that takes more than fragmentCost times the limit, and fragmentSlack for
// control frames in between, is a flood of empty fragments.
const (
	fragmentCost  = 8
	fragmentSlack = 16 << 10
)

var (
	// errOver ends the reading of messages once the session is closing.
	errOver = errors.New("the session is closing")
	// errQuiet ends it while there is nothing to read.
	errQuiet = errors.New("there is nothing to read")
)

// open is the reader of a WebSocket session from its beginning.
func (s *session) open(fault *wire.Error) {
	if fault != nil {
		// Nothing is accepted from a client that is refused.
		s.closeSoon(endByFault(fault))
		s.discard()
		return
	}
	s.guarded(func() bool {
		if p := s.who(); p != nil {
			s.welcome(p)
		} else {
			s.enterByQuery()
		}
		return false
	})
	s.listen()
}

// listenToMessages handles what the client sends until the reader can rest or
// the connection has ended.
func (s *session) listenToMessages() {
	err := s.readMessages()
	if errors.Is(err, errQuiet) {
		return
	}
	if !errors.Is(err, errOver) {
		if e, ok := s.endOfReading(err); ok {
			s.closeSoon(e)
		} else {
			s.lost()
		}
	}
	s.discard()
}

// discard reads on after the end of the session, so that data the client has in
// transit does not reset the connection before the client has read the close. It
// closes the connection when the client has ended it too, or at the deadline.
func (s *session) discard() {
	s.ws.input.readBy(time.Time{})
	_, _ = io.Copy(io.Discard, s.conn)
	<-s.ended()
	_ = s.conn.Close()
}

// messageBuffers holds the buffers of messages that are being handled.
var messageBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// messageBuffer returns an empty buffer.
func messageBuffer() *bytes.Buffer {
	buf, ok := messageBuffers.Get().(*bytes.Buffer)
	if !ok {
		return new(bytes.Buffer)
	}
	buf.Reset()
	return buf
}

// readMessages handles what the client sends, one message after the other.
func (s *session) readMessages() error {
	ctx := context.Background() // if it ended, the library would close the connection
	for {
		if err := s.awaitMessage(); err != nil {
			return err
		}
		kind, r, err := s.ws.conn.Reader(ctx)
		switch {
		case err != nil:
			return err
		case s.over.Load():
			return errOver
		case s.ws.flooded:
			return errFlood
		}
		s.lastSign.Store(int64(monotimeNow()))
		if binary := s.dialect.binary(); binary != (kind == websocket.MessageBinary) {
			s.closeSoon(endWrongType(binary))
			return errOver
		}
		buf := messageBuffer()
		most := s.server.limits().MessageBytes
		onWire := most
		if s.ws.deflated {
			onWire = s.ws.mostOnWire(most)
		}
		if most > 0 {
			r = io.LimitReader(r, int64(onWire)+1)
			s.ws.input.budget = fragmentCost*onWire + fragmentSlack
		}
		s.ws.input.readBy(time.Now().Add(s.server.limits().MessageAssembly))
		_, err = buf.ReadFrom(r)
		s.ws.input.budget = -1
		s.ws.input.readBy(time.Time{})
		switch {
		case s.over.Load():
			return errOver
		case s.ws.flooded, errors.Is(err, os.ErrDeadlineExceeded):
			return errFlood
		case err != nil:
			return err
		case most > 0 && buf.Len() > onWire:
			s.closeSoon(endTooLarge(most))
			return errOver
		}
		if s.ws.deflated {
			plain := messageBuffer()
			err := compress.Inflate(plain, buf, most)
			messageBuffers.Put(buf)
			switch {
			case err != nil:
				messageBuffers.Put(plain)
				s.closeSoon(endBadCompression())
				return errOver
			case most > 0 && plain.Len() > most:
				messageBuffers.Put(plain)
				s.closeSoon(endTooLarge(most))
				return errOver
			}
			buf = plain
			s.awaitTurn(buf.Len())
		}
		s.awaitRoom()
		if keep := s.guarded(func() bool { return s.handle(buf.Bytes()) }); !keep {
			messageBuffers.Put(buf)
		}
	}
}

// awaitMessage returns when a frame begins that the library has to read. Pings and
// pongs before it are handled here, because the library would wait for the frame
// after them and the reader could not rest. While there is nothing to wait for, it
// lets the reader rest and returns errQuiet.
func (s *session) awaitMessage() error {
	frames := s.ws.input.frames
	for {
		if s.socket != nil && frames.Buffered() == 0 && !s.over.Load() {
			s.socket.Hurry(true)
			_, err := frames.Peek(1)
			s.socket.Hurry(false)
			switch {
			case errors.Is(err, socket.ErrNothing):
				if s.rest() {
					return errQuiet
				}
				continue
			case err != nil:
				return err
			}
		}
		switch handled, err := s.takeControl(); {
		case err != nil:
			return err
		case s.ws.flooded:
			return errFlood
		case !handled:
			return s.takeDeflated()
		}
	}
}

// takeControl handles the next frame if it is a complete ping or pong.
func (s *session) takeControl() (handled bool, err error) {
	frames := s.ws.input.frames
	head, err := frames.Peek(wire.ControlHead)
	if err != nil {
		return false, err
	}
	size := wire.ControlSize(head)
	if size == 0 {
		return false, nil
	}
	frame, err := frames.Peek(size)
	if err != nil {
		return false, err
	}
	op, payload := wire.ParseControl(frame)
	_, _ = frames.Discard(size)
	if op == wire.OpPing {
		s.onPing(context.Background(), payload)
	} else {
		s.onPong(context.Background(), payload)
	}
	return true, nil
}

// onPing answers a client's ping frame through the session's own writer.
func (s *session) onPing(_ context.Context, payload []byte) bool {
	if s.countControl() {
		s.awaitRoom()
		pong := wire.AppendControl(nil, wire.OpPong, payload)
		s.post(func(s *session, sc *scratch) {
			if !s.closing {
				s.sendRaw(sc, pong)
			}
		})
	}
	return false
}

// onPong takes a client's pong frame as a sign of life. Only a pong that answers a
// ping acks: clients may send other pongs unasked (RFC 6455, section 5.5.3).
func (s *session) onPong(_ context.Context, payload []byte) {
	if s.countControl() {
		number, err := strconv.ParseUint(string(payload), 10, 64)
		if err != nil {
			return
		}
		s.awaitRoom()
		s.post(func(s *session, _ *scratch) { s.ponged(number) })
	}
}

// countControl bounds control frames per second. Above the limit the reader ends.
func (s *session) countControl() bool {
	now := monotimeNow()
	s.lastSign.Store(int64(now))
	most := s.server.limits().ControlFramesPerSecond
	if now.Sub(s.ws.controlsSince) >= time.Second {
		s.ws.controls, s.ws.controlsSince = 0, now
	}
	s.ws.controls++
	if most > 0 && s.ws.controls > most {
		s.ws.flooded = true
		_ = s.ws.input.Close()
		return false
	}
	return true
}
