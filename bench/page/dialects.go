package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// converse accepts a WebSocket, and calls back with each message of the client, which may send several in lines.
func converse(w http.ResponseWriter, r *http.Request, protocols []string, take func(ctx context.Context, ws *websocket.Conn, m []byte) error) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: protocols})
	if err != nil {
		return
	}
	defer ws.CloseNow() //nolint:errcheck // it may have ended
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	for {
		_, m, err := ws.Read(ctx)
		if err != nil {
			return
		}
		for line := range bytes.Lines(m) {
			if take(ctx, ws, line) != nil {
				return
			}
		}
	}
}

func text(ctx context.Context, ws *websocket.Conn, format string, args ...any) error {
	return ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)) //nolint:wrapcheck // the caller only ends
}

// sluice speaks the protocol of Sluice over a WebSocket (web/docs/PROTOCOL.md).
func (s *source) sluice(w http.ResponseWriter, r *http.Request) {
	converse(w, r, []string{"sluice.v1.lines", "sluice.v1.json"}, func(ctx context.Context, ws *websocket.Conn, m []byte) error {
		var request struct{ Type, ID string }
		if err := json.Unmarshal(m, &request); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		switch request.Type {
		case "ping":
			return text(ctx, ws, `{"type":"welcome","session":"s","ping_ms":25000,"limits":{"publishes_per_session":64}}`)
		case "subscribe":
			go s.feed(ctx, func(from, count int) error {
				if from == 0 {
					if err := text(ctx, ws, `{"type":"subscribed","id":%q,"stream":"orders","feed":"orders","start":"latest","recovered":false,"cursor":"v1.a"}`, request.ID); err != nil {
						return err
					}
				}
				var b []byte
				for n := from; n < from+count; n++ {
					b = appendEvent(b, n)
					switch {
					case ws.Subprotocol() == "sluice.v1.lines":
						b = append(b, '\n')
					case n < from+count-1:
						if err := ws.Write(ctx, websocket.MessageText, b); err != nil {
							return err //nolint:wrapcheck // the same
						}
						b = b[:0]
					}
				}
				if err := ws.Write(ctx, websocket.MessageText, b); err != nil || from%(100*burst) != 0 {
					return err //nolint:wrapcheck // the same
				}
				return text(ctx, ws, `{"type":"cursor","feed":"orders","cursor":"v1.%d"}`, from)
			})
		}
		return nil
	})
}

// events speaks the protocol of Sluice for event streams.
func (s *source) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	s.feed(r.Context(), func(from, count int) error {
		var b []byte
		if from == 0 {
			b = append(b, "event: sluice.ready\nid: v1.a\ndata: {\"type\":\"ready\",\"session\":\"s\",\"streams\":[\"orders\"],\"cursor\":\"v1.a\"}\n\n"...)
		}
		for n := from; n < from+count; n++ {
			b = append(appendEvent(append(b, "data: "...), n), '\n')
			if n == from+count-1 {
				b = fmt.Appendf(b, "id: v1.%d\n", n)
			}
			b = append(b, '\n')
		}
		if _, err := w.Write(b); err != nil {
			return err //nolint:wrapcheck // the same
		}
		return flusher.Flush() //nolint:wrapcheck // the same
	})
}

// centrifuge speaks the JSON protocol of Centrifugo's clients: each command has a reply with its
// id, and several messages stand in one, in lines.
func (s *source) centrifuge(w http.ResponseWriter, r *http.Request) {
	converse(w, r, nil, func(ctx context.Context, ws *websocket.Conn, m []byte) error {
		var command struct {
			ID        int
			Connect   json.RawMessage
			Subscribe *struct{ Channel string }
		}
		if err := json.Unmarshal(m, &command); err != nil {
			return fmt.Errorf("read command: %w", err)
		}
		switch {
		case command.Connect != nil:
			return text(ctx, ws, `{"id":%d,"connect":{"client":"c","version":"1","ping":25,"pong":true}}`, command.ID)
		case command.Subscribe != nil:
			if err := text(ctx, ws, `{"id":%d,"subscribe":{}}`, command.ID); err != nil {
				return err
			}
			go s.feed(ctx, func(from, count int) error {
				var b []byte
				for n := from; n < from+count; n++ {
					b = append(appendEvent(append(b, `{"push":{"channel":"orders","pub":{"data":`...), n), `}}}`...)
					if n < from+count-1 {
						b = append(b, '\n')
					}
				}
				return ws.Write(ctx, websocket.MessageText, b) //nolint:wrapcheck // the same
			})
		}
		return nil
	})
}
