package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// Session is one WebSocket connection.
type Session struct {
	// Conn is the underlying connection.
	Conn *websocket.Conn
	buf  []byte
}

// SessionRequest configures a session.
type SessionRequest struct {
	Addr  string
	Token string
	Wire  Wire
	// InMessage sends the token in the first message instead of the handshake.
	InMessage bool
}

// OpenSession connects and authenticates.
func OpenSession(ctx context.Context, r SessionRequest) (*Session, error) {
	var raw net.Conn
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			var err error
			raw, err = dial(ctx, addr, r.Wire)
			return raw, err
		},
	}
	opts := &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		HTTPHeader:   http.Header{},
		Subprotocols: []string{"sluice.v1.json"},
	}
	if r.Token != "" && !r.InMessage {
		opts.HTTPHeader.Set("Authorization", "Bearer "+r.Token)
	}
	conn, response, err := websocket.Dial(ctx, "ws://"+r.Addr+"/v1/ws", opts) //nolint:bodyclose // websocket.Dial says that it need not be
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			// The library keeps the first kilobyte of the body.
			body, _ := io.ReadAll(response.Body)
			return nil, &StatusError{response.StatusCode, string(body)}
		}
		return nil, orCut(raw, err)
	}
	conn.SetReadLimit(4 << 20)
	s := &Session{Conn: conn}
	if got := conn.Subprotocol(); got != "sluice.v1.json" {
		s.Close()
		return nil, fmt.Errorf("the subprotocol is %q", got)
	}
	if r.InMessage {
		if err := s.Send(ctx, map[string]any{"type": "auth", "id": "0", "token": r.Token}); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Close closes the connection without a handshake.
func (s *Session) Close() { _ = s.Conn.CloseNow() }

// Send sends a message.
func (s *Session) Send(ctx context.Context, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return s.Conn.Write(ctx, websocket.MessageText, text)
}

// Next reads a message, which is valid until the next message is read.
func (s *Session) Next(ctx context.Context) ([]byte, error) {
	kind, reader, err := s.Conn.Reader(ctx)
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText {
		return nil, fmt.Errorf("a message of type %v", kind)
	}
	if s.buf == nil {
		s.buf = make([]byte, 4<<10)
	}
	n := 0
	for {
		if n == len(s.buf) {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		m, err := reader.Read(s.buf[n:])
		n += m
		if err == io.EOF {
			// A connection that ends within a frame looks like the end of the
			// message here.
			if n == 0 || s.buf[n-1] != '}' {
				return nil, io.ErrUnexpectedEOF
			}
			return s.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
