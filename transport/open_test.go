package transport_test

import (
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// TestOpenedByTheQuery: a client without a credential that asks for what anyone may read
// waits for nothing.
func TestOpenedByTheQuery(t *testing.T) {
	t.Parallel()
	inBubble(t, options{open: []string{"market.a"}}, func(t *testing.T, in *instance) {
		began := time.Now()
		for _, query := range []string{"?stream=public.news", "?stream=market.*", "?stream=public.news&from=last:3"} {
			c := in.dial(query, "")
			if m := c.next(); m.str("type") != "welcome" || m["principal"] != nil {
				t.Errorf("%s: got %v", query, m)
			}
			if m := c.next(); m.str("type") != "subscribed" || m.str("id") != "0" {
				t.Errorf("%s: got %v", query, m)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNotOpenedByTheQuery: where a credential is required, the server waits for it, and
// says what it expects.
func TestNotOpenedByTheQuery(t *testing.T) {
	t.Parallel()
	limits := func(l *transport.Limits) { l.FirstMessageAuth = 5 * time.Second }
	inBubble(t, options{limits: limits}, func(t *testing.T, in *instance) {
		for _, query := range []string{"", "?stream=orders", "?stream=hidden", "?stream=nowhere", "?stream=or*"} {
			began := time.Now()
			advice := "subscribe"
			if query != "" {
				advice = "the stream of the query cannot be read without a token: check its name" // alike, whether or not it exists
			}
			m, _ := in.dial(query, "").closed()
			if m.str("code") != "auth_timeout" || !strings.Contains(m.str("message"), advice) || time.Since(began) < 5*time.Second {
				t.Errorf("%q: got %v after %v", query, m, time.Since(began))
			}
			c := in.dial(query, "")
			c.send(`{"type":"auth","id":"0","token":"%s"}`, token(t, "u", "live", time.Hour))
			if m := c.next(); m.str("type") != "welcome" || m.str("principal") != "u" {
				t.Errorf("%q: got %v", query, m)
			}
		}
	})
	closed, err := auth.New(auth.Config{Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, options{limits: limits, config: func(c *transport.Config) { c.Auth = closed }}, func(t *testing.T, in *instance) {
		if m, _ := in.dial("?stream=public.news", "").closed(); m.str("code") != "auth_timeout" || strings.Contains(m.str("message"), "subscribe") {
			t.Errorf("got %v", m)
		}
	})
}

// TestTokenAfterTheQuery: a token in the first message counts, although the session is
// open; a later one does not.
func TestTokenAfterTheQuery(t *testing.T) {
	t.Parallel()
	limits := func(l *transport.Limits) { l.SessionsPerPrincipal = 1 }
	inBubble(t, options{limits: limits}, func(t *testing.T, in *instance) {
		c := in.dial("?stream=public.news", "")
		c.until("caught_up")
		c.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "live", time.Hour))
		if m := c.until("authenticated"); m.str("id") != "r" || m["expires_in_ms"].(float64) < 3e6 {
			t.Errorf("got %v", m)
		}
		c.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
		c.until("caught_up")
		c.send(`{"type":"auth","id":"r2","token":"%s"}`, token(t, "u", "live", 2*time.Hour))
		c.until("authenticated")
		c.send(`{"type":"auth","id":"r3","token":"%s"}`, token(t, "v", "live", time.Hour))
		c.fails("r3", "forbidden")

		other := in.dial("?stream=public.news", "")
		other.until("caught_up")
		other.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "live", time.Hour))
		other.fails("r", "too_many_sessions")
		other.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "v", "live", time.Hour))
		other.fails("r", "forbidden") // it is not the first message any more
		_ = c.CloseNow()
		time.Sleep(time.Second)
		in.dial("", token(t, "u", "live", time.Hour)).until("welcome") // it is not counted any more
	})
}
