package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// webSocket is what a session has beside when it is a WebSocket.
type webSocket struct {
	conn   *websocket.Conn
	socket *socketConn

	// Owned by the executor.
	welcomed  bool
	authBy    time.Time // by when the first message must have come
	pingEvery time.Duration
	nextPing  time.Time
	pinged    time.Time
	pongBy    time.Time
	pings     uint64

	errors      int // faults in the minute of errorsSince
	errorsSince time.Time

	// Owned by the reader.
	controls      int // control frames in the second of controlsSince
	controlsSince time.Time
	query         wire.Query
	flooded       bool
}

// socketConn is the connection as the WebSocket library sees it. It reads from
// it; what it writes goes to the session's one writer, so that frames never
// interleave, and what it closes is closed there.
type socketConn struct {
	net.Conn
	early []byte // what the HTTP server had read ahead

	// Owned by the reader: the close frame that the library would send, and how
	// many more bytes a message in the making may take; negative for any.
	closeCode   int
	closeReason string
	budget      int

	mu   sync.Mutex
	last bool // the deadline for reading is the last one
}

// errFlood ends the reading from a client that sends too much of nothing.
var errFlood = errors.New("the client floods the connection")

// readBy sets by when the next bytes must have come, which the end of the
// session overrides. The zero time is never.
func (c *socketConn) readBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last {
		_ = c.SetReadDeadline(t)
	}
}

// readLast sets when reading ends for good.
func (c *socketConn) readLast(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = true
	_ = c.SetReadDeadline(t)
}

func (c *socketConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if c.budget >= 0 {
		if c.budget -= n; c.budget < 0 {
			return 0, errFlood
		}
	}
	return n, err
}

// Write takes whole control frames: the library flushes each by itself, and its
// pongs are switched off.
func (c *socketConn) Write(p []byte) (int, error) {
	if len(p) >= 2 && p[0] == 0x80|byte(wire.OpClose) && c.closeCode == 0 {
		c.closeCode = websocketNoStatus
		if payload := p[2:]; len(payload) >= 2 {
			c.closeCode = int(binary.BigEndian.Uint16(payload))
			c.closeReason = string(payload[2:])
		}
	}
	return len(p), nil
}

// Close makes the reader return; the connection is the session's to close.
func (c *socketConn) Close() error {
	c.readBy(time.Unix(1, 0))
	return nil
}

// websocketNoStatus stands for a close frame without a code (RFC 6455, section
// 7.1.5).
const websocketNoStatus = 1005

// read is the session's reader. It returns when the connection has ended.
func (s *session) read(fault *wire.Error) {
	defer func() {
		<-s.ended
		_ = s.ws.socket.Conn.Close()
	}()
	if fault != nil {
		// Nothing is taken from one who may not come in.
		s.post(func(s *session, sc *scratch) { s.shut(sc, fault) })
		s.discard()
		return
	}
	if p := s.who(); p != nil {
		s.apart(func() bool { s.welcome(p); return false })
	}
	err := s.readMessages()
	switch socket := s.ws.socket; {
	case errors.Is(err, errOver):
	case s.ws.flooded, errors.Is(err, errFlood), errors.Is(err, context.DeadlineExceeded):
		s.post(func(s *session, sc *scratch) {
			s.shutWith(sc, wire.BadRequest, wire.CloseFlood, "too many control frames, or a message that takes too long")
		})
	case socket.closeCode == websocketNoStatus, errors.As(err, new(websocket.CloseError)):
		// The client has closed; its close is answered with its own code.
		code, reason := socket.closeCode, socket.closeReason
		s.post(func(s *session, sc *scratch) {
			if !utf8.ValidString(reason) {
				s.shutWith(sc, wire.BadRequest, wire.CloseInvalidText, "the reason of the close is not UTF-8")
				return
			}
			s.answerClose(sc, code)
		})
	case socket.closeCode != 0:
		code, reason := socket.closeCode, socket.closeReason
		s.post(func(s *session, sc *scratch) { s.shutWith(sc, wire.BadRequest, code, reason) })
	case isProtocolError(err):
		s.post(func(s *session, sc *scratch) {
			s.shutWith(sc, wire.BadRequest, wire.CloseProtocolError, "the frame breaks RFC 6455")
		})
	default:
		s.out.abort()
		s.post(func(s *session, _ *scratch) { s.end() })
		return
	}
	s.discard()
}

// discard reads on after the end of the session, so that what the client has on
// its way does not break the connection before it has read the close, and
// returns when the client has ended it too, or has had its time.
func (s *session) discard() {
	s.ws.socket.readBy(time.Time{})
	_, _ = io.Copy(io.Discard, s.ws.socket.Conn)
}

// errOver ends the reading of messages once the session is closing.
var errOver = errors.New("the session is closing")

// isProtocolError tells a frame that the library refuses from a connection that
// ended.
func isProtocolError(err error) bool {
	var netErr net.Error
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &netErr)
}

// messageBuffers hold messages while they are handled.
var messageBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readMessages handles what the client sends, one message after the other.
func (s *session) readMessages() error {
	ctx := context.Background() // one that ends would kill the connection
	for {
		kind, r, err := s.ws.conn.Reader(ctx)
		switch {
		case err != nil:
			return err
		case s.over.Load():
			return errOver
		case s.ws.flooded:
			return errFlood
		}
		s.heard.Store(s.server.now().UnixNano())
		if kind != websocket.MessageText {
			s.post(func(s *session, sc *scratch) {
				s.shutWith(sc, wire.BadRequest, wire.CloseUnsupported, "messages are text")
			})
			return errOver
		}
		buf, ok := messageBuffers.Get().(*bytes.Buffer)
		if !ok {
			buf = new(bytes.Buffer)
		}
		buf.Reset()
		most := s.server.config.Limits.MessageBytes
		if most > 0 {
			r = io.LimitReader(r, int64(most)+1)
			s.ws.socket.budget = fragmentCost*most + fragmentSlack
		}
		s.ws.socket.readBy(time.Now().Add(s.server.config.Limits.MessageAssembly))
		_, err = buf.ReadFrom(r)
		s.ws.socket.budget = -1
		s.ws.socket.readBy(time.Time{})
		switch {
		case s.over.Load():
			return errOver
		case s.ws.flooded, errors.Is(err, os.ErrDeadlineExceeded):
			return errFlood
		case err != nil:
			return err
		case most > 0 && buf.Len() > most:
			s.post(func(s *session, sc *scratch) {
				s.shut(sc, wire.Errorf(wire.TooLarge, "the message is larger than %d bytes", most))
			})
			return errOver
		}
		s.awaitRoom()
		if keep := s.apart(func() bool { return s.handle(buf.Bytes()) }); !keep {
			messageBuffers.Put(buf)
		}
	}
}

// A message in fragments of a byte takes seven times its size on the wire; what
// takes more than fragmentCost times the limit, and fragmentSlack for control
// frames between, is a flood of empty fragments.
const (
	fragmentCost  = 8
	fragmentSlack = 16 << 10
)

// apart runs f on a goroutine of its own and waits for it, so that the reader,
// which lives as long as the connection, keeps the small stack that waiting
// takes: stacks do not shrink while nothing is collected.
func (s *session) apart(f func() bool) bool {
	done := make(chan bool, 1)
	go func() {
		defer func() {
			// A panic, which is a fault of ours, costs this session only.
			if cause := recover(); cause != nil {
				s.server.notePanic("a request panicked", cause)
				s.post(func(s *session, sc *scratch) {
					s.shut(sc, wire.Errorf(wire.Internal, "something went wrong here"))
				})
				done <- true
			}
		}()
		done <- f()
	}()
	return <-done
}

// onPing answers a client's ping frame through the session's own writer.
func (s *session) onPing(_ context.Context, payload []byte) bool {
	if s.countControl() {
		pong := wire.AppendControl(nil, wire.OpPong, payload)
		s.post(func(s *session, sc *scratch) {
			if !s.closing {
				s.sendRaw(sc, pong)
			}
		})
	}
	return false
}

// onPong takes a client's pong frame for a sign of life. Only one that answers
// the last ping acks: others come unasked (RFC 6455, section 5.5.3).
func (s *session) onPong(_ context.Context, payload []byte) {
	if s.countControl() {
		number := string(payload)
		s.post(func(s *session, sc *scratch) {
			if number == strconv.FormatUint(s.ws.pings, 10) {
				s.ponged(sc)
			}
		})
	}
}

// countControl bounds control frames a second. Past the bound the reader ends.
func (s *session) countControl() bool {
	now := s.server.now()
	s.heard.Store(now.UnixNano())
	most := s.server.config.Limits.ControlFramesPerSecond
	if now.Sub(s.ws.controlsSince) >= time.Second {
		s.ws.controls, s.ws.controlsSince = 0, now
	}
	s.ws.controls++
	if most > 0 && s.ws.controls > most {
		s.ws.flooded = true
		_ = s.ws.socket.Close()
		return false
	}
	return true
}

// welcome opens the session for a principal.
func (s *session) welcome(p *auth.Principal) {
	query := s.ws.query
	s.post(func(s *session, sc *scratch) {
		if s.closing {
			return
		}
		ws := s.ws
		ws.welcomed, ws.authBy = true, time.Time{}
		s.expiry = p.ExpiresAt()
		l := s.server.config.Limits
		name := p.ID()
		if p.Anonymous() {
			name = ""
		}
		s.send(sc, "", &wire.Welcome{
			Session:   s.id,
			Principal: name,
			Now:       sc.now,
			Expires:   p.ExpiresAt(),
			Ping:      ws.pingEvery,
			Limits: wire.SessionLimits{
				MessageBytes:            l.MessageBytes,
				SubscriptionsPerSession: l.SubscriptionsPerSession,
				PublishesPerSession:     l.PublishesPerSession,
				RecordBytes:             l.RecordBytes,
			},
		})
	})
	if len(query.Streams) == 1 {
		start := query.Reading
		if query.LastEventID != "" {
			start.From = wire.From{Kind: wire.StartCursor, Cursor: query.LastEventID}
		}
		s.subscribe(p, &wire.Subscribe{ID: firstSubscription, Stream: query.Streams[0], Reading: start})
	}
	s.ws.query = wire.Query{}
}

// firstSubscription is the id of the subscription that a query makes.
const firstSubscription = "0"

// ponged notes a pong, and acks what was written before its ping.
func (s *session) ponged(sc *scratch) {
	if s.closing {
		return
	}
	s.ws.pongBy = time.Time{}
	for _, sub := range s.subs {
		if sub.auto && sub.pinged != nil && sub.holding != nil {
			at := *sub.pinged
			sub.pinged = nil
			s.ack(sub, at, sc.now, func(error) {})
		}
	}
}

// ack moves a subscription's named cursor.
func (s *session) ack(sub *subscription, at hub.Position, now time.Time, done func(error)) {
	sub.holding.Ack(at, now, done)
}
