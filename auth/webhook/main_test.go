package webhook_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const address = "https://app.example.com/sluice?key=hidden"

// service is the operator's HTTP service, without a network.
type service struct {
	mu       sync.Mutex
	answer   func(*http.Request) (reply, error)
	requests []*http.Request
	bodies   []string
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	answer := s.answer
	s.mu.Unlock()
	said, err := answer(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: said.status, Request: r, Body: io.NopCloser(strings.NewReader(said.body)), Header: http.Header{"Content-Type": {said.kind}},
	}, nil
}

// reply is an answer of the service.
type reply struct {
	status     int
	kind, body string
}

func (s *service) set(answer func(*http.Request) (reply, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// says answers with JSON.
func says(status int, body string) func(*http.Request) (reply, error) {
	return func(*http.Request) (reply, error) { return reply{status, "application/json", body}, nil }
}

func fails(err error) func(*http.Request) (reply, error) {
	return func(*http.Request) (reply, error) { return reply{}, err }
}

// settings are those of the tests, with changes.
func settings(s http.RoundTripper, changes ...func(*webhook.Config)) webhook.Config {
	c := webhook.Config{
		URL: address, Timeout: time.Second, Events: []webhook.Event{webhook.Connect, webhook.Subscribe, webhook.Publish},
		CacheFor: 10 * time.Second, CacheEntries: 100, Lifetime: time.Hour, Concurrency: 8,
		Client: &http.Client{Transport: s}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func hook(t testing.TB, s http.RoundTripper, changes ...func(*webhook.Config)) *webhook.Hook {
	t.Helper()
	h, err := webhook.New(settings(s, changes...))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// principal returns the principal of an identity without a network.
func principal(t testing.TB, subject string, claims string) *auth.Principal {
	t.Helper()
	var encoded []byte // none if there are no claims
	if claims != "" {
		encoded = []byte(claims)
	}
	a, err := auth.New(auth.Config{
		Fallback: identity{&auth.Identity{Issuer: "test", Subject: subject, Claims: encoded}},
		Grants:   []auth.Grant{{Subscribe: []string{"*"}, Publish: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Authenticate(t.Context(), auth.Bearer("any"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asJSON(t testing.TB, text string) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return members
}
