package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// wsSession is one WebSocket connection.
type wsSession struct {
	conn *websocket.Conn
	buf  []byte
}

type wsRequest struct {
	addr     string
	token    string
	cutAfter int64
	// inMessage sends the token in the first message, not in the handshake.
	inMessage bool
}

// openWS connects and authenticates.
func openWS(ctx context.Context, r wsRequest) (*wsSession, error) {
	var raw net.Conn
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			var err error
			raw, err = dial(ctx, addr, r.cutAfter)
			return raw, err
		},
	}
	opts := &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		HTTPHeader:   http.Header{},
		Subprotocols: []string{"sluice.v1.json"},
	}
	if r.token != "" && !r.inMessage {
		opts.HTTPHeader.Set("Authorization", "Bearer "+r.token)
	}
	conn, response, err := websocket.Dial(ctx, "ws://"+r.addr+"/v1/ws", opts) //nolint:bodyclose // websocket.Dial says that it need not be
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			return nil, &statusError{response.StatusCode, err.Error()}
		}
		return nil, orCut(raw, err)
	}
	conn.SetReadLimit(4 << 20)
	s := &wsSession{conn: conn}
	if got := conn.Subprotocol(); got != "sluice.v1.json" {
		s.close()
		return nil, fmt.Errorf("the subprotocol is %q", got)
	}
	if r.inMessage {
		if err := s.send(ctx, map[string]any{"type": "auth", "id": "0", "token": r.token}); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *wsSession) close() { _ = s.conn.CloseNow() }

func (s *wsSession) send(ctx context.Context, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, text)
}

// next reads a message, which is valid until the next one is read.
func (s *wsSession) next(ctx context.Context) ([]byte, error) {
	kind, reader, err := s.conn.Reader(ctx)
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
			return s.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
