package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/coder/websocket"
)

// messageBytes bounds a message.
const messageBytes = 8 << 20

// subscriptionID is the id of the subscription in its session.
const subscriptionID = "0"

// readWebSocket subscribes over WebSocket.
func readWebSocket(ctx context.Context, s *subscriber, take func([]byte) error) error {
	header := http.Header{}
	if err := s.authorize(ctx, header); err != nil {
		return err
	}
	r := s.run
	//nolint:bodyclose // the library closes it, or replaces it on an error
	conn, res, err := websocket.Dial(ctx, r.base.JoinPath("v1", "ws").String(), &websocket.DialOptions{
		HTTPClient: r.http, HTTPHeader: header, Subprotocols: []string{"sluice.v1.json"},
	})
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(res.Body)
			return refusal(res, body)
		}
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(messageBytes)
	request, err := json.Marshal(s.request(map[string]string{"type": "subscribe", "id": subscriptionID, "stream": r.config.Stream}))
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if err := conn.Write(ctx, websocket.MessageText, request); err != nil {
		return err
	}
	// A context that can end costs allocations for each message: the connection is closed
	// instead.
	defer context.AfterFunc(ctx, func() { _ = conn.CloseNow() })()
	var message bytes.Buffer
	for {
		_, from, err := conn.Reader(context.Background())
		if err != nil {
			return err
		}
		message.Reset()
		if _, err := message.ReadFrom(from); err != nil {
			return err
		}
		if err := take(message.Bytes()); err != nil {
			return err
		}
	}
}
