package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"
)

// lines returns the objects of the next message.
func (s *socket) lines() []message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, text, err := s.Read(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []message
	for line := range bytes.Lines(text) {
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, m)
	}
	return all
}

// TestWebSocketLines: the events of one write are one message, one object per line,
// and anything that is not an event has a message of its own.
func TestWebSocketLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, filter, label string }{
		{"all", "", ""},
		{"filtered", `,"key":["k0","k1","k2"]`, "orders#"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{})
			in.publish("orders", 1, 0, 500)
			s, answer, err := in.dialWith("", "Authorization", "Bearer "+token(t, "u42", "live", time.Hour),
				"Sec-WebSocket-Protocol", "sluice.v1.json, sluice.v1.lines")
			if err != nil || answer.header.Get("Sec-WebSocket-Protocol") != "sluice.v1.lines" {
				t.Fatal(answer, err)
			}
			s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"%s}`, c.filter)
			next, messages := 0.0, 0
			for next < 500 {
				all := s.lines()
				if all[0].str("type") != "event" {
					if len(all) != 1 {
						t.Fatalf("%d objects with %v", len(all), all[0])
					}
					continue
				}
				messages++
				for _, m := range all {
					if m.str("type") != "event" || m["offset"] != next {
						t.Fatalf("got %v, want event %v", m, next)
					}
					if len(m.str("feed")) < len(c.label) || m.str("feed")[:len(c.label)] != c.label {
						t.Fatalf("got %v", m)
					}
					next++
				}
			}
			if messages > 50 {
				t.Errorf("500 events came in %d messages", messages)
			}
		})
	}
}
