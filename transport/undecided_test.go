package transport_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// ruled is an authority whose rulings can be replaced.
type ruled struct{ now atomic.Pointer[auth.Rulings] }

func (r *ruled) Rulings() *auth.Rulings { return r.now.Load() }

// say replaces the rulings.
func (r *ruled) say(t *testing.T, incomplete bool, judge func(stream string) auth.Verdict) {
	t.Helper()
	name, err := auth.NewTemplate("User:{sub}")
	if err != nil {
		t.Fatal(err)
	}
	r.now.Store(&auth.Rulings{
		Incomplete: incomplete, Name: name,
		Judge: func(_, _ string, _ auth.Action, stream string) auth.Verdict { return judge(stream) },
	})
}

// underAuthority gives an authority to a server, besides grants to those with scope live.
func underAuthority(t *testing.T, by auth.Authority, subscribe ...string) options {
	t.Helper()
	return options{config: func(c *transport.Config) {
		var err error
		c.Auth, err = auth.New(auth.Config{
			Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants:    []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: subscribe}},
			Authority: by,
		})
		if err != nil {
			t.Fatal(err)
		}
	}}
}

// TestRightsThatAreNotKnown: a client whose rights are not known yet is told to come
// back, and does not learn which streams exist; what it certainly may do, it may.
func TestRightsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	by := &ruled{}
	by.say(t, true, func(stream string) auth.Verdict {
		if stream == "hidden" {
			return auth.Denied
		}
		return auth.Silent
	})
	in := start(t, underAuthority(t, by, "orders", "hidden"))
	live := token(t, "u42", "live", time.Hour)
	if status, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?from=earliest", live, ""); status != http.StatusOK {
		t.Errorf("orders: %d %s", status, body)
	}
	var first string
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/v1/streams/hidden", ""},
		{"GET", "/v1/streams/missin", ""},
		{"GET", "/v1/streams/hidden/records", ""},
		{"GET", "/v1/streams/missin/records", ""},
		{"GET", "/v1/streams/hidden/events", ""},
		{"POST", "/v1/streams/hidden/records", `{"data":1}`},
		{"POST", "/v1/streams/orders/records", `{"data":1}`},
	} {
		status, head, body := in.do(request.method, request.path, live, request.body)
		in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
		if head.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", request.method, request.path)
		}
		if first == "" {
			first = body
		}
		if body != first {
			t.Errorf("%s %s: %s, and elsewhere %s", request.method, request.path, body, first)
		}
	}
	s := in.dial("", live)
	s.until("welcome")
	s.send(`{"type":"subscribe","id":"a","stream":"hidden"}`)
	s.fails("a", "overloaded")
	s.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	s.fails("p", "overloaded")
}

// TestAuthorityChangesItsMind: a running subscription ends when it is not allowed any
// more: with a refusal where that is certain, else so that the client comes back.
func TestAuthorityChangesItsMind(t *testing.T) {
	t.Parallel()
	for reason, incomplete := range map[string]bool{"forbidden": false, "rights_changed": true} {
		by := &ruled{}
		by.say(t, false, func(string) auth.Verdict { return auth.Allowed })
		in := start(t, underAuthority(t, by, "public.news"))
		s := in.dial("", token(t, "u42", "live", time.Hour))
		s.until("welcome")
		for _, stream := range []string{"orders", "public.news"} {
			s.send(`{"type":"subscribe","id":"%s","stream":"%s"}`, stream, stream)
			s.until("subscribed")
		}
		by.say(t, incomplete, func(string) auth.Verdict { return auth.Silent })
		in.server.RightsChanged()
		if m := s.until("unsubscribed"); m.str("id") != "orders" || m.str("reason") != reason {
			t.Errorf("%v, want the end of orders with %s", m, reason)
		}
		in.publish("orders", 0, 0, 1)
		in.publish("public.news", 0, 0, 1)
		if m := s.until("event"); m.str("stream") != "public.news" {
			t.Errorf("%v", m)
		}
	}
}
