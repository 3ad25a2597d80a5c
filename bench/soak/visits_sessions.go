package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/bench/clients"
)

// converse subscribes, publishes and unsubscribes in a session.
func (c *crowd) converse(ctx context.Context, r *rand.Rand) error {
	return c.session(ctx, subject(r), r, func(ctx context.Context, s *clients.Session) error {
		n := 1 + r.IntN(3)
		for i, of := range r.Perm(streams)[:n] {
			subscribe := map[string]any{"type": "subscribe", "id": fmt.Sprint(i), "stream": stream(of)}
			for name, values := range reading(r) {
				if subscribe[name] = values[0]; name == "key" {
					subscribe[name] = values
				}
			}
			if err := s.Send(ctx, subscribe); err != nil {
				return err
			}
		}
		if err := s.Send(ctx, map[string]any{
			"type": "publish", "id": "p", "stream": stream(r.IntN(streams)), "key": key(r.IntN(keys)), "data": r.IntN(1000),
		}); err != nil {
			return err
		}
		return c.hear(ctx, s, stay(r), func(m *clients.Message) (bool, error) {
			if m.Kind == "subscribed" && r.IntN(2) == 0 {
				return false, s.Send(ctx, map[string]any{"type": "unsubscribe", "id": m.ID})
			}
			return false, nil
		})
	})
}

// session opens a session and calls do with it.
func (c *crowd) session(ctx context.Context, who string, r *rand.Rand, do func(context.Context, *clients.Session) error) error {
	s, err := clients.OpenSession(ctx, clients.SessionRequest{
		Addr: c.stage.addr, Token: token(who, time.Hour), InMessage: r.IntN(2) == 0,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	return do(ctx, s)
}

// hear calls handle with messages for a while, or until it returns true. An error
// message of the server is returned as an error.
func (c *crowd) hear(ctx context.Context, s *clients.Session, span time.Duration, handle func(*clients.Message) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	for {
		text, err := s.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // it has had its time
		}
		c.bytes.Add(int64(len(text)))
		m, ok := clients.Parse(text)
		if ok && bytes.Contains(text, []byte(`"code":"overloaded"`)) {
			return errBusy
		}
		if !ok || m.Kind == "error" || m.Kind == "closing" {
			return fmt.Errorf("it was told %.300s", text)
		}
		if enough, err := handle(&m); err != nil || enough {
			return err
		}
	}
}
