package transport_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/transport"
)

// withRevocations gives the server a set that the test puts revocations into.
func withRevocations(t *testing.T, set **auth.Revocations, more func(*transport.Config)) func(*transport.Config) {
	return func(c *transport.Config) {
		*set = c.Auth.Revocations()
		if more != nil {
			more(c)
		}
	}
}

// put puts a revocation in force as an operator or a message from another instance does.
func put(t *testing.T, set *auth.Revocations, r auth.Revocation) {
	t.Helper()
	complete, err := set.Complete(r)
	if err == nil {
		_, err = set.Add(complete)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestDoorsAreShutToARevokedToken: a token that was revoked is refused everywhere, also
// if it was verified before, while another one of its owner is good once it is newer.
func TestDoorsAreShutToARevokedToken(t *testing.T) {
	t.Parallel()
	for _, d := range accesses() {
		t.Run(d.name(), func(t *testing.T) {
			t.Parallel()
			var set *auth.Revocations
			inBubble(t, options{config: withRevocations(t, &set, nil)}, func(t *testing.T, in *instance) {
				old := token(t, "u", "live", time.Hour)
				in.do(http.MethodGet, "/v1/streams", old, "")
				put(t, set, auth.Revocation{Issuer: "test", Subject: "u"})
				status, code := in.try(d, old, "")
				d.told(t, status, code, http.StatusUnauthorized, "revoked")
				time.Sleep(2 * time.Second)
				if status, _, body := in.do(http.MethodGet, "/v1/streams", token(t, "u", "live", time.Hour), ""); status != http.StatusOK {
					t.Errorf("a newer token: %d %s", status, body)
				}
			})
		})
	}
}

// TestDoorsEndWithARevocation: what is running or waiting ends at once when its token is
// revoked. Nothing is delivered and nothing stored afterwards.
func TestDoorsEndWithARevocation(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		for _, d := range accesses() {
			waits := held || d.then != "" || strings.Contains(d.path, "wait=") ||
				strings.Contains(d.path, "events") && d.method() != http.MethodHead
			if d.instant || !waits {
				continue // this access is answered at once
			}
			t.Run(fmt.Sprintf("held=%v %s", held, d.name()), func(t *testing.T) {
				t.Parallel()
				kafka := &heldKafka{}
				var set *auth.Revocations
				o := options{stream: func(s *hub.Stream) {
					kafka.Topics, _ = s.Source.(*hubtest.Topics)
					if s.Name == "orders" {
						s.Source, s.Producer = kafka, kafka
					}
				}, config: withRevocations(t, &set, nil)}
				inBubble(t, o, func(t *testing.T, in *instance) {
					live := token(t, "u", "live", time.Hour)
					kafka.held.Store(held)
					in.store.held.Store(held)
					began := time.Now()
					time.AfterFunc(500*time.Millisecond, func() { put(t, set, auth.Revocation{Subject: "u"}) })
					time.AfterFunc(600*time.Millisecond, func() { in.publish("orders", 0, 0, 3) })
					status, code := in.try(d, live, "")
					most := 600 * time.Millisecond
					if d.slow {
						most = 3 * time.Second // the body ends after two seconds
					}
					if took := time.Since(began); took < 400*time.Millisecond || took > most {
						t.Errorf("it took %v, and the token was revoked after 500ms", took)
					}
					if !held && d.then == "" && strings.Contains(d.path, "events") {
						// The stream had begun, and ends with a message.
						if status != http.StatusOK || code != "revoked" {
							t.Errorf("got %d, %q", status, code)
						}
					} else {
						d.told(t, status, code, http.StatusUnauthorized, "revoked")
					}
					time.Sleep(2 * time.Second)
					if d.method() == http.MethodPost || strings.Contains(d.then, "publish") && held {
						if n := in.topics.Append("orders", record.Record{}); n > 3 {
							t.Errorf("%d records were stored", n-3)
						}
					}
					if at := in.storedAt("n"); d.method() == http.MethodPut && at != -1 {
						t.Errorf("the cursor was stored at %d", at)
					}
				})
			})
		}
	}
}

// TestRevocationEndsWhatItNames: each kind of revocation ends the sessions that it names,
// with a message that says to authenticate again, and no others.
func TestRevocationEndsWhatItNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		revoke auth.Revocation
		ends   []string
	}{
		"a subject":                {auth.Revocation{Subject: "a"}, []string{"a1", "a2"}},
		"a subject of an issuer":   {auth.Revocation{Issuer: "test", Subject: "b"}, []string{"b1"}},
		"a subject of another one": {auth.Revocation{Issuer: "fleet", Subject: "b"}, nil},
		"a token":                  {auth.Revocation{TokenID: "a2"}, []string{"a2"}},
		"a session":                {auth.Revocation{SessionID: "s"}, []string{"a1", "b1"}},
		"a tenant":                 {auth.Revocation{Tenant: "acme"}, []string{"b1", "c1"}},
		"what is older":            {auth.Revocation{Subject: "a", Before: time.Now().Add(-time.Minute)}, nil},
		"nobody":                   {auth.Revocation{Subject: "nobody"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var set *auth.Revocations
			in := start(t, options{config: withRevocations(t, &set, nil)})
			sessions := map[string]*socket{}
			for id, more := range map[string]map[string]any{
				"a1": {"sub": "a", "sid": "s", "tenant": "other"}, "a2": {"sub": "a", "sid": "t"},
				"b1": {"sub": "b", "sid": "s", "tenant": "acme"}, "c1": {"sub": "c", "tenant": "acme"},
			} {
				claims := auth.TokenClaims{Issuer: "test", Audience: "sluice", ValidFor: time.Hour, More: map[string]any{"scope": "live", "jti": id}}
				for claim, value := range more {
					if claims.More[claim] = value; claim == "sub" {
						claims.Subject = value.(string)
						delete(claims.More, claim)
					}
				}
				text, err := auth.Mint(secret, claims)
				if err != nil {
					t.Fatal(err)
				}
				sessions[id] = in.dial("", text)
				sessions[id].until("welcome")
			}
			anonymous := in.dial("", "")
			anonymous.send(`{"type":"ping"}`)
			anonymous.until("welcome")
			put(t, set, c.revoke)
			for _, id := range c.ends {
				s := sessions[id]
				delete(sessions, id)
				last, code := s.closed()
				if last.str("code") != "revoked" || last.str("action") != "reauthenticate" || code != 4501 {
					t.Errorf("%s is told %v and closed with %d", id, last, code)
				}
			}
			for id, s := range sessions {
				s.send(`{"type":"ping","id":"x"}`)
				if m := s.until("pong"); m.str("id") != "x" {
					t.Errorf("%s: %v", id, m)
				}
			}
			anonymous.send(`{"type":"ping","id":"x"}`)
			anonymous.until("pong")
		})
	}
}

// TestRevocationFindsWhatJustBegins: a token that is revoked between its verification
// and the beginning of its session, or its renewal, opens nothing that lasts.
func TestRevocationFindsWhatJustBegins(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(in *instance, token string) (code string){
		"an event stream": func(in *instance, token string) string {
			_, _, body := in.do(http.MethodGet, "/v1/streams/orders/events", token, "")
			return codeIn([]byte(body))
		},
		"a page": func(in *instance, token string) string {
			_, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?wait=30s", token, "")
			return codeIn([]byte(body))
		},
		"a subscription": func(in *instance, token string) string {
			s := in.dial("?stream=orders", token)
			last, _ := s.closed()
			return last.str("code")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var set *auth.Revocations
			in := start(t, options{config: withRevocations(t, &set, func(c *transport.Config) {
				revocations := c.Auth.Revocations()
				c.Rights = rowRights(func(p *auth.Principal, _ string) (filter.Filter, error) {
					put(t, revocations, auth.Revocation{Subject: p.ID()})
					return filter.Filter{}, nil
				})
			})})
			if code := open(in, token(t, "u", "live", time.Hour)); code != "revoked" {
				t.Errorf("got %q", code)
			}
		})
	}
}

// TestRevocationAtTheStartOfASession: a revocation that arrives after the last look at
// the token, and before the session is among those that are searched, is noticed.
func TestRevocationAtTheStartOfASession(t *testing.T) {
	t.Parallel()
	var set *auth.Revocations
	var armed atomic.Bool
	in := start(t, options{config: withRevocations(t, &set, func(c *transport.Config) {
		revocations := c.Auth.Revocations()
		c.Now = func() time.Time { // asked for after the look at the revocations
			caller, _, _, _ := runtime.Caller(1)
			if strings.HasSuffix(runtime.FuncForPC(caller).Name(), ".ended") && armed.Swap(false) {
				put(t, revocations, auth.Revocation{Subject: "u"})
			}
			return time.Now()
		}
	})})
	live := token(t, "u", "live", time.Hour)
	armed.Store(true)
	s := in.events("/v1/streams/orders/events", live)
	if armed.Load() || s.res.StatusCode != http.StatusOK {
		t.Fatalf("the stream did not begin: %d", s.res.StatusCode)
	}
	s.closesWith("revoked", "reauthenticate", false)
}

// TestRevocationCutsOffWhoDoesNotRead: a client that takes no data is cut off soon after
// its token was revoked, so that nothing more of what the system has buffered follows.
func TestRevocationCutsOffWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	var set *auth.Revocations
	in := start(t, options{config: withRevocations(t, &set, nil), limits: func(l *transport.Limits) { l.WriteProgress = time.Hour }})
	s := in.events("/v1/streams/orders/events?from=earliest", token(t, "u", "live", time.Hour))
	big := []byte(`"` + strings.Repeat("x", 100<<10) + `"`)
	for range 200 {
		in.topics.Append("orders", record.Record{Value: big, Timestamp: time.Now().UnixMilli()})
	}
	s.until("")
	open := func() int { return len(in.server.SessionsOf("user:test:u")) }
	if open() != 1 {
		t.Fatalf("%d sessions are open", open())
	}
	time.Sleep(300 * time.Millisecond) // until the socket is full
	began := time.Now()
	put(t, set, auth.Revocation{Subject: "u"})
	in.eventually("the session ends", func() bool { return open() == 0 })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}
