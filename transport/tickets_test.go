package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// memoryTickets are tickets in memory.
type memoryTickets struct {
	mu     sync.Mutex
	issued map[string]*auth.Identity
	err    error
}

func (m *memoryTickets) Issue(_ context.Context, p *auth.Principal) (auth.Secret, time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, err := p.Identity()
	if m.err != nil || err != nil {
		return auth.Secret{}, 0, errors.Join(m.err, err)
	}
	ticket := auth.NewTicket()
	m.issued[ticket.Reveal()] = id
	return ticket, 30 * time.Second, nil
}

func (m *memoryTickets) Verify(_ context.Context, c auth.Credential) (*auth.Identity, error) {
	if c.Scheme != auth.SchemeTicket {
		return nil, auth.ErrOtherCredential
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.issued[c.Token.Reveal()]
	delete(m.issued, c.Token.Reveal())
	switch {
	case m.err != nil:
		return nil, m.err
	case id == nil:
		return nil, auth.ErrUnauthenticated
	}
	return id, nil
}

func (m *memoryTickets) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// withTickets enables tickets.
func withTickets(t testing.TB, tickets *memoryTickets) func(*transport.Config) {
	return func(c *transport.Config) {
		tickets.issued = make(map[string]*auth.Identity)
		var err error
		c.Auth, err = auth.New(auth.Config{
			Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Verifiers: []auth.Verifier{tickets},
			Grants: []auth.Grant{
				{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}, Publish: []string{"orders"}, Replay: auth.ReplayUnlimited},
				{Anonymous: true, Subscribe: []string{"public.*"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Tickets, c.Credentials.Tickets = tickets, true
	}
}

// ticket asks for a ticket.
func (in *instance) ticket(token string) string {
	in.t.Helper()
	status, head, body := in.do(http.MethodPost, "/v1/tickets", token, "")
	var got struct {
		Ticket  string `json:"ticket"`
		Expires int64  `json:"expires_in_ms"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || got.Expires != 30000 ||
		!auth.IsTicket(got.Ticket) || head.Get("Cache-Control") != "no-store" {
		in.t.Fatalf("got %d %v %s", status, head, body)
	}
	return got.Ticket
}

// TestTicketOpensEveryDoorOnce: a ticket in the query is the credential of any request,
// for one request.
func TestTicketOpensEveryDoorOnce(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: withTickets(t, &memoryTickets{})})
	live := token(t, "u42", "live", time.Hour)
	ticket := in.ticket(live)
	s := in.events("/v1/streams/orders/events?ticket="+ticket, "")
	s.until("sluice.ready")
	for path, method := range map[string]string{
		"/v1/streams/orders/events?": http.MethodGet, "/v1/streams/orders/records?": http.MethodGet, "/v1/streams?": http.MethodGet,
		"/v1/tickets?": http.MethodPost,
	} {
		status, head, body := in.do(method, path+"ticket="+ticket, "", "")
		in.problem(t, status, head, body, http.StatusUnauthorized, "unauthenticated")
		if strings.Contains(body, ticket) {
			t.Errorf("%s repeats the ticket: %s", path, body)
		}
	}
	in.events("/v1/streams/orders/events?errors=stream&ticket="+ticket, "").closesWith("unauthenticated", "stop", true)
	ws := in.dial("?stream=orders&ticket="+in.ticket(live), "")
	if m := ws.until("welcome"); m.str("principal") != "u42" || m["expires_at"] == nil {
		t.Errorf("got %v", m)
	}
	ws.until("subscribed")
	for path, method := range map[string]string{
		"/v1/streams?": http.MethodGet, "/v1/streams/orders?": http.MethodGet, "/v1/streams/orders/records?limit=1&": http.MethodGet,
		"/v1/streams/orders/records?x&": http.MethodGet, publishPath + "?": http.MethodPost,
	} {
		body := ""
		if method == http.MethodPost {
			body = `{"data":1}`
		}
		status, _, got := in.do(method, path+"ticket="+in.ticket(live), "", body, "Content-Type", "application/json")
		if want := map[bool]int{true: http.StatusBadRequest, false: http.StatusOK}[strings.Contains(path, "?x&")]; status != want {
			t.Errorf("%s: %d %s", path, status, got)
		}
	}
}

// TestTicketSessionsEndWithTheToken: with its expiry and with its revocation.
func TestTicketSessionsEndWithTheToken(t *testing.T) {
	t.Parallel()
	tickets := &memoryTickets{}
	inBubble(t, options{config: withTickets(t, tickets)}, func(t *testing.T, in *instance) {
		s := in.events("/v1/streams/orders/events?ticket="+in.ticket(token(t, "u42", "live", 90*time.Second)), "")
		began := time.Now()
		s.until("sluice.ready")
		s.until("sluice.close")
		if took := time.Since(began); took < 80*time.Second || took > 95*time.Second {
			t.Errorf("the session ended after %v", took)
		}
	})
	var set *auth.Revocations
	in := start(t, options{config: func(c *transport.Config) {
		withTickets(t, tickets)(c)
		set = c.Auth.Revocations()
	}})
	live := token(t, "u42", "live", time.Hour)
	s, unused := in.events("/v1/streams/orders/events?ticket="+in.ticket(live), ""), in.ticket(live)
	s.until("sluice.ready")
	put(t, set, auth.Revocation{Subject: "u42"})
	s.closesWith("revoked", "reauthenticate", false)
	status, head, body := in.do(http.MethodGet, "/v1/streams?ticket="+unused, "", "")
	in.problem(t, status, head, body, http.StatusUnauthorized, "revoked")
}

func TestTicketsAreRefused(t *testing.T) {
	t.Parallel()
	tickets := &memoryTickets{}
	in := start(t, options{config: withTickets(t, tickets)})
	live := token(t, "u42", "live", time.Hour)
	for name, c := range map[string]struct {
		path, token, body string
		header            []string
		status            int
		code              string
	}{
		"nobody":                    {"/v1/tickets", "", "", nil, 401, "unauthenticated"},
		"a bad token":               {"/v1/tickets", "a.b.c", "", nil, 401, "unauthenticated"},
		"an old token":              {"/v1/tickets", expired(t), "", nil, 401, "token_expired"},
		"a ticket":                  {"/v1/tickets?ticket=" + in.ticket(live), "", "", nil, 403, "forbidden"},
		"two credentials":           {"/v1/tickets?ticket=" + in.ticket(live), live, "", nil, 400, "bad_request"},
		"a parameter":               {"/v1/tickets?ttl=1h", live, "", nil, 400, "bad_request"},
		"a body":                    {"/v1/tickets", live, "{}", nil, 400, "bad_request"},
		"a page that is not listed": {"/v1/tickets", live, "", []string{"Origin", "https://evil.example"}, 403, "forbidden"},
		"a cookie from nowhere":     {"/v1/tickets", "", "", []string{"Cookie", auth.CookieName + "=" + live}, 403, "forbidden"},
		"a cookie from elsewhere":   {"/v1/tickets", "", "", []string{"Cookie", auth.CookieName + "=" + live, "Origin", "https://evil.example"}, 403, "forbidden"},
	} {
		status, head, body := in.do(http.MethodPost, c.path, c.token, c.body, c.header...)
		if m := in.problem(t, status, head, body, c.status, c.code); m == nil {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _, body := in.do(http.MethodPost, "/v1/tickets", "", "", "Cookie", auth.CookieName+"="+live, "Origin", page); status != http.StatusOK {
		t.Errorf("a cookie from a listed page: %d %s", status, body)
	}
	ticket := in.ticket(live)
	tickets.fail(fmt.Errorf("redis: %w", auth.ErrStoreUnavailable))
	for _, request := range [][2]string{{http.MethodPost, "/v1/tickets"}, {http.MethodGet, "/v1/streams?ticket=" + ticket}} {
		tok := ""
		if request[0] == http.MethodPost {
			tok = live
		}
		status, head, body := in.do(request[0], request[1], tok, "")
		m := in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
		if m["retry_after_ms"] == nil || m["retryable"] != true {
			t.Errorf("without Redis: %s", body)
		}
	}
	tickets.fail(auth.ErrTooManyTickets)
	status, head, body := in.do(http.MethodPost, "/v1/tickets", live, "")
	in.problem(t, status, head, body, http.StatusTooManyRequests, "rate_limited")

	off := start(t, options{})
	status, head, body = off.do(http.MethodPost, "/v1/tickets", live, "")
	off.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	status, head, body = off.do(http.MethodGet, "/v1/streams?ticket="+ticket, "", "")
	off.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
}
