package clients

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/coder/websocket"

	"sluice/bench/check"
)

func (s *Subscriber) runWS(ctx context.Context, l lane) error {
	session, err := OpenSession(ctx, SessionRequest{Addr: l.at, Token: l.token, Wire: l.wire, InMessage: rand.IntN(2) == 0})
	if err != nil {
		return err
	}
	defer session.Close()
	place, low, high := s.Place()
	if err := session.Send(ctx, s.subscribe(place)); err != nil {
		return err
	}
	var conn *check.Connection
	left := false
	for !s.complete() {
		text, err := session.Next(ctx)
		if err != nil && left {
			s.Left = append(s.Left, websocket.CloseStatus(err))
			return errLeft
		}
		if err != nil {
			return err
		}
		m, ok := Parse(text)
		if !ok {
			return fmt.Errorf("%w: a message %q", errProtocol, text)
		}
		s.show(ctx, &m)
		if conn == nil && (m.Kind == "event" || m.Kind == "cursor" || m.Kind == "caught_up" || m.Kind == "gap") {
			return fmt.Errorf("%w: %s before subscribed", errProtocol, m.Kind)
		}
		switch m.Kind {
		case "welcome":
			s.opened = true
		case "event":
			err = s.receive(conn, &m)
		case "subscribed":
			low = s.answered(low)
			if s.named() && s.Forgotten != nil && m.Start != "named" {
				low, high = s.fallen()
			}
			conn = s.begin(l, low, high)
			s.save(m.Cursor)
		case "cursor", "caught_up":
			s.save(m.Cursor)
			err = s.ack(ctx, session)
		case "acked":
			s.confirmed(m.Cursor)
		case "gap":
			s.gap(conn, &m)
		case "closing", "unsubscribed", "error":
			left = s.told(&m, text) || left
			if m.Kind == "unsubscribed" || m.Kind == "error" && conn == nil {
				return fmt.Errorf("the subscription is refused, or ended: %s", m.Code+m.Reason)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Subscriber) subscribe(place string) map[string]any {
	subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": s.Stream, "from": "earliest"}
	if place != "" {
		subscribe["from"] = place
	}
	if keys := s.filter(); len(keys) > 0 {
		subscribe["key"] = keys
	}
	if s.named() {
		subscribe["cursor_name"] = s.Name
	}
	if s.By == ByPong {
		subscribe["ack"] = "auto"
	}
	return subscribe
}

// ack moves the named cursor to the last cursor received.
func (s *Subscriber) ack(ctx context.Context, session *Session) error {
	if s.By != ByName {
		return nil
	}
	s.sending()
	return session.Send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": s.cursor})
}
