package transport_test

import (
	"net/http"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// incomplete is an authority that has nothing to say yet, except about one stream.
type incomplete struct{ now *auth.Rulings }

func (i incomplete) Rulings() *auth.Rulings { return i.now }

// TestRightsThatAreNotKnown: a client whose rights are not known yet is told to come
// back, and does not learn which streams exist; what it certainly may do, it may.
func TestRightsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	name, err := auth.NewTemplate("User:{sub}")
	if err != nil {
		t.Fatal(err)
	}
	rulings := &auth.Rulings{Incomplete: true, Name: name, Judge: func(_ string, _ auth.Action, stream string) auth.Verdict {
		if stream == "hidden" {
			return auth.Denied
		}
		return auth.Silent
	}}
	in := start(t, options{config: func(c *transport.Config) {
		var err error
		c.Auth, err = auth.New(auth.Config{
			Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants:    []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders", "hidden"}}},
			Authority: incomplete{rulings},
		})
		if err != nil {
			t.Fatal(err)
		}
	}})
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
