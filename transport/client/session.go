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
	// subprotocol is the version of the protocol that the client uses.
	subprotocol = "sluice.v1.json"

	handshakeWithin = 20 * time.Second
	sendWithin      = 10 * time.Second
	closeWithin     = time.Second
	// silence is how long the server may be silent before its welcome message has
	// reported its ping interval.
	silence = 60 * time.Second
	// pingSlack is added to two ping intervals after that.
	pingSlack = 10 * time.Second
)

// session is one connection.
type session struct {
	conn *websocket.Conn
	// raw is the underlying socket, for deadlines: the library offers only
	// contexts, which cost a goroutine switch and several allocations per
	// message.
	raw     net.Conn
	silence time.Duration
	// name is the server's name for this session.
	name string

	closing atomic.Bool
	// others are the goroutines of this session other than its reader.
	others sync.WaitGroup
}

// dial connects. If it fails, it returns an ending.
func (c *Client) dial(ctx context.Context) (*session, *ending) {
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	defer cancel()
	header := http.Header{}
	if err := c.authorize(ctx, header); err != nil {
		if errors.Is(err, ErrNoToken) {
			return nil, &ending{verdict: stop, err: err}
		}
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
			s.received()
			return true
		},
	})
	if err != nil {
		var body []byte
		if res != nil && res.Body != nil {
			// The library keeps the first KiB of the body.
			body, _ = io.ReadAll(res.Body)
		}
		end := afterHandshake(Brief(err), res, body)
		return nil, &end
	}
	conn.SetReadLimit(c.config.MessageBytes)
	s.conn = conn
	return s, nil
}

// received extends the deadline after which the server counts as gone.
func (s *session) received() {
	if s.raw != nil && !s.closing.Load() {
		// It fails only if the socket is closed, which the next read reports.
		_ = s.raw.SetReadDeadline(time.Now().Add(s.silence))
	}
}

// read waits for the next message.
func (s *session) read() (*message, error) {
	s.received()
	// With a context that never ends, Read allocates nothing but the message.
	// hangUp or the deadline ends the wait.
	_, b, err := s.conn.Read(context.Background())
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	m := &message{wire: b}
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

// hangUp sends a close frame and closes the connection, within closeWithin. It
// ends a read.
func (s *session) hangUp() {
	s.closing.Store(true)
	if s.raw != nil {
		_ = s.raw.SetDeadline(time.Now().Add(closeWithin))
	}
	// Whether the server received it does not matter.
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
}

// hangUpWhen calls hangUp once the context ends, unless the returned function is
// called first.
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

// welcome handles the server's first message.
func (s *session) welcome(m *message) {
	s.name = m.Session
	if m.PingMS > 0 {
		s.silence = 2*milliseconds(m.PingMS) + pingSlack
	}
}

var errDrain = errors.New("the server asked the client to reconnect")
