package transport_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub/ingest"
	"sluice/transport"
)

// noLies rejects records by a rule.
type noLies struct{}

func (noLies) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if b.Pending(i) && strings.Contains(string(b.Message(i).Value), "lie") {
			b.Settle(i, ingest.Rejected(ingest.ErrInvalid))
		}
	}
}
func (noLies) Settled(*ingest.Batch) {}

// storedBefore answers a value that was stored before, as a deduplicator would.
type storedBefore struct {
	mu   sync.Mutex
	seen map[string]ingest.Verdict
}

func (s *storedBefore) Check(_ context.Context, b *ingest.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Len() {
		if v, ok := s.seen[string(b.Message(i).Value)]; ok && b.Pending(i) {
			b.Settle(i, v)
		}
	}
}

func (s *storedBefore) Settled(b *ingest.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Len() {
		if v := b.Verdict(i); v.Err == nil {
			s.seen[string(b.Message(i).Value)] = v
		}
	}
}

// TestStepsGiveVerdictsOfTheirOwn: the records of one batch are answered by steps
// and by Kafka, in their order, over both interfaces.
func TestStepsGiveVerdictsOfTheirOwn(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) {
		c.Ingest = ingest.New(c.Hub, nil, []ingest.Step{noLies{}, &storedBefore{seen: map[string]ingest.Verdict{}}})
	}})
	tok := token(t, "w", "write", time.Hour)
	post := func(body string) (int, string) {
		status, _, answer := in.do(http.MethodPost, publishPath, tok, body, "Content-Type", "application/json")
		return status, strings.TrimSpace(answer)
	}
	if status, answer := post(`{"data":"a"}`); status != http.StatusOK || answer != `{"partition":0,"offset":0,"ts":1}` {
		t.Fatalf("got %d %s", status, answer)
	}
	status, answer := post(`{"records":[{"data":"b"},{"data":"a lie"},{"data":"a"},{"data":"c"}]}`)
	if status != http.StatusMultiStatus || !strings.Contains(answer, `"failed":1,"results":[{"partition":0,"offset":1},{`) ||
		!strings.Contains(answer, `"code":"invalid"`) || !strings.HasSuffix(answer, `},{"partition":0,"offset":0},{"partition":0,"offset":2}]}`) {
		t.Errorf("a batch: got %d %s", status, answer)
	}
	if status, answer := post(`{"data":"a lie"}`); status != http.StatusUnprocessableEntity || !strings.Contains(answer, `"code":"invalid"`) {
		t.Errorf("a lie: got %d %s", status, answer)
	}
	s := in.dial("", tok)
	s.until("welcome")
	s.send(`{"type":"publish","id":"p","stream":"orders","data":"c"}`)
	if m := s.until("published"); m["offset"] != float64(2) {
		t.Errorf("the same over a WebSocket: %v", m)
	}
	s.send(`{"type":"publish","id":"q","stream":"orders","data":"lie"}`)
	if m := s.until("error"); m["code"] != "invalid" || m["id"] != "q" {
		t.Errorf("a lie over a WebSocket: %v", m)
	}
}

// opaque is a Verifier of one fixed token.
type opaque struct{}

func (opaque) Verify(_ context.Context, presented auth.Credential) (*auth.Identity, error) {
	if presented.Token.Reveal() != "opaque-1" {
		return nil, auth.ErrOtherCredential
	}
	return &auth.Identity{
		Issuer: "keys", Subject: "robot", Claims: []byte(`{"scope":"live"}`), ExpiresAt: time.Now().Add(time.Hour), TokenID: "k1",
	}, nil
}

// TestAVerifierOpensEveryDoor: a credential that is no JWT yields a principal like
// any other, and its sessions are found by that principal.
func TestAVerifierOpensEveryDoor(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) {
		a, err := auth.New(auth.Config{
			Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Verifiers: []auth.Verifier{opaque{}},
			Grants: []auth.Grant{
				{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}, Publish: []string{"orders"}},
				{Anonymous: true, Subscribe: []string{"public.*"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Auth = a
	}})
	if status, _, body := in.do(http.MethodPost, publishPath, "opaque-1", `{"data":1}`, "Content-Type", "application/json"); status != http.StatusOK {
		t.Errorf("publishing: %d %s", status, body)
	}
	if status, _, _ := in.do(http.MethodPost, publishPath, "opaque-2", `{"data":1}`, "Content-Type", "application/json"); status != http.StatusUnauthorized {
		t.Errorf("publishing with a token of no kind: %d", status)
	}
	robot := in.dial("", "opaque-1")
	id := robot.until("welcome")["session"]
	robot.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	robot.until("subscribed")
	person := in.dial("", token(t, "u42", "live", time.Hour))
	other := person.until("welcome")["session"]
	for _, c := range []struct {
		what string
		got  []string
		want []string
	}{
		{"by key", in.server.SessionsOf("user:keys:robot"), []string{id.(string)}},
		{"by another key", in.server.SessionsOf("user:keys:u42"), nil},
		{"by token", in.server.SessionsRevokedBy(auth.Revocation{TokenID: "k1"}), []string{id.(string)}},
		{"by subject", in.server.SessionsRevokedBy(auth.Revocation{Issuer: "test", Subject: "u42"}), []string{other.(string)}},
		{"by nothing", in.server.SessionsRevokedBy(auth.Revocation{}), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("sessions %s: %q, want %q", c.what, c.got, c.want)
		}
	}
	robot.send(`{"type":"auth","id":"r","token":"opaque-1"}`)
	robot.until("authenticated")
}
