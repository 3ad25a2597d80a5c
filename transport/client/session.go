package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// subprotocol is the version of the protocol that the client speaks.
	subprotocol = "sluice.v1.json"
	// subscriptionID is the same in every session, as each has only one.
	subscriptionID = "0"

	handshakeWithin = 20 * time.Second
	sendWithin      = 10 * time.Second
	closeWithin     = time.Second
	// silence is how long the server may say nothing before it has said how
	// often it pings.
	silence = 60 * time.Second
	// pingSlack is added to two intervals of pings after that.
	pingSlack = 10 * time.Second
)

// session is one connection.
type session struct {
	conn *websocket.Conn
	// raw is the socket below, for deadlines: the library offers only contexts,
	// which cost a goroutine switch and several allocations a message.
	raw     net.Conn
	silence time.Duration
	// name is the server's for this session.
	name string

	closing atomic.Bool
	// others are the goroutines of this session beside its reader.
	others sync.WaitGroup
}

// dial connects. The ending is set where that fails.
func (c *Client) dial(ctx context.Context) (*session, *ending) {
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	defer cancel()
	header := http.Header{}
	if err := c.authorize(ctx, header); err != nil {
		return nil, &ending{verdict: resume, err: err}
	}
	s := &session{silence: silence}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { s.raw = info.Conn }}
	//nolint:bodyclose // the library closes it, or replaces it on an error
	conn, res, err := websocket.Dial(httptrace.WithClientTrace(ctx, trace), c.endpoint("v1", "ws"), &websocket.DialOptions{
		HTTPClient:   c.config.HTTPClient,
		HTTPHeader:   header,
		Subprotocols: []string{subprotocol},
		OnPingReceived: func(context.Context, []byte) bool {
			s.heard()
			return true
		},
	})
	if err != nil {
		var body []byte
		if res != nil && res.Body != nil {
			// The library keeps the first KiB of it.
			body, _ = io.ReadAll(res.Body)
		}
		end := afterHandshake(fmt.Errorf("connect: %w", err), res, body)
		return nil, &end
	}
	conn.SetReadLimit(c.config.MessageBytes)
	s.conn = conn
	return s, nil
}

// heard puts off the time at which the server counts as gone.
func (s *session) heard() {
	if s.raw != nil && !s.closing.Load() {
		// It fails only where the socket is closed, which reading tells.
		_ = s.raw.SetReadDeadline(time.Now().Add(s.silence))
	}
}

// read waits for the next message.
func (s *session) read() (*message, error) {
	s.heard()
	// Without a context that ends it allocates nothing but the message. What
	// ends the wait is hangUp, or the deadline.
	_, b, err := s.conn.Read(context.Background())
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	m := &message{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return m, nil
}

func (s *session) send(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, b); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// hangUp says goodbye and closes, within closeWithin. It ends a read.
func (s *session) hangUp() {
	s.closing.Store(true)
	if s.raw != nil {
		_ = s.raw.SetDeadline(time.Now().Add(closeWithin))
	}
	// Whether the server heard it changes nothing.
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
}

// hangUpWhen hangs up once the context ends. The function that it returns
// takes that back.
func (s *session) hangUpWhen(ctx context.Context) (forget func()) {
	s.others.Add(1)
	undo := context.AfterFunc(ctx, func() {
		defer s.others.Done()
		s.hangUp()
	})
	return func() {
		if undo() {
			s.others.Done()
		}
	}
}

// welcome takes the server's first message.
func (s *session) welcome(m *message) {
	s.name = m.Session
	if m.PingMS > 0 {
		s.silence = 2*time.Duration(m.PingMS)*time.Millisecond + pingSlack
	}
}

var errDrain = errors.New("the server asks to connect anew")
