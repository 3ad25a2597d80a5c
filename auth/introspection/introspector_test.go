package introspection_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/introspection"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// endpoint is an authorization server that answers by the token.
type endpoint struct {
	t        testing.TB
	mu       sync.Mutex
	answers  map[string]string // bodies by token; a token without one is not active
	status   int               // 0 for 200
	kind     string            // the content type, empty for JSON
	location string
	takes    time.Duration

	asked, at, most atomic.Int64
}

func (e *endpoint) set(change func(*endpoint)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.asked.Add(1)
	e.most.Store(max(e.most.Load(), e.at.Add(1)))
	defer e.at.Add(-1)
	e.mu.Lock()
	status, kind, location, takes, body := e.status, e.kind, e.location, e.takes, e.answers[r.PostFormValue("token")]
	e.mu.Unlock()
	time.Sleep(takes)
	if id, secret, _ := r.BasicAuth(); r.Method != http.MethodPost || id != "sl%3Auice" || secret != "s%26cret" ||
		r.URL.RawQuery != "" || r.PostFormValue("token_type_hint") != "access_token" {
		e.t.Errorf("got %s %s by %q", r.Method, r.URL, id)
	}
	if kind == "" {
		kind = "application/json;charset=UTF-8"
	}
	w.Header().Set("Content-Type", kind)
	if location != "" {
		w.Header().Set("Location", location)
	}
	if status != 0 {
		w.WriteHeader(status)
	}
	if body == "" {
		body = `{"active":false}`
	}
	_, _ = w.Write([]byte(body))
}

// pipes connect a client and a server in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipes) Close() error { return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p <- theirs
	return ours, nil
}

func config(c introspection.Config) introspection.Config {
	c.Issuer, c.URL, c.ClientID, c.ClientSecret = "as", "http://127.0.0.1/introspect", "sl:uice", auth.NewSecret("s&cret")
	c.CacheFor, c.RefusedFor, c.Lifetime, c.Timeout, c.ClockSkew = 30*time.Second, 5*time.Second, time.Hour, 2*time.Second, 3*time.Second
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// inBubble runs a test with an authorization server in a bubble of testing/synctest.
func inBubble(t *testing.T, c introspection.Config, test func(*testing.T, *endpoint, *introspection.Introspector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{t: t, answers: make(map[string]string)}
		p := make(pipes)
		server := &http.Server{Handler: e, ReadHeaderTimeout: time.Hour}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(p) })
		transport := &http.Transport{DialContext: p.dial}
		c := config(c)
		c.HTTPClient = &http.Client{Transport: transport}
		i := must(introspection.New(c))
		test(t, e, i)
		i.Close()
		close(p)
		serving.Wait()
		_ = server.Close()
		time.Sleep(time.Hour) // until all handlers have returned
	})
}

// TestAnswers: what answers say about a token.
func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC) // when a bubble begins
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"valid":                 {`{"active":true,"sub":"u1"}`, nil},
		"all members":           {fmt.Sprintf(`{"active":true,"sub":"u1","iss":"as","aud":["x","sluice"],"exp":%d,"nbf":%d,"iat":%d,"jti":"j","scope":"live"}`, in(time.Hour), in(-time.Hour), in(-time.Hour)), nil},
		"not active":            {`{"active":false,"sub":"u1"}`, auth.ErrUnauthenticated},
		"active as a text":      {`{"active":"true","sub":"u1"}`, auth.ErrVerifierUnavailable},
		"active as a number":    {`{"active":1,"sub":"u1"}`, auth.ErrVerifierUnavailable},
		"active is null":        {`{"active":null,"sub":"u1"}`, auth.ErrVerifierUnavailable},
		"without active":        {`{"sub":"u1"}`, auth.ErrVerifierUnavailable},
		"Active":                {`{"Active":true,"sub":"u1"}`, auth.ErrVerifierUnavailable},
		"a list":                {`[]`, auth.ErrVerifierUnavailable},
		"null":                  {`null`, auth.ErrVerifierUnavailable},
		"no JSON":               {`<html>`, auth.ErrVerifierUnavailable},
		"two objects":           {`{"active":true,"sub":"u1"}{}`, auth.ErrVerifierUnavailable},
		"without sub":           {`{"active":true}`, auth.ErrUnauthenticated},
		"sub is empty":          {`{"active":true,"sub":""}`, auth.ErrUnauthenticated},
		"sub is a number":       {`{"active":true,"sub":1}`, auth.ErrUnauthenticated},
		"sub with a line end":   {`{"active":true,"sub":"a\nb"}`, auth.ErrUnauthenticated},
		"sub is half a pair":    {`{"active":true,"sub":"\ud800"}`, auth.ErrUnauthenticated},
		"another issuer":        {`{"active":true,"sub":"u1","iss":"other"}`, auth.ErrUnauthenticated},
		"expired":               {fmt.Sprintf(`{"active":true,"sub":"u1","exp":%d}`, in(-time.Hour)), auth.ErrTokenExpired},
		"expired within skew":   {fmt.Sprintf(`{"active":true,"sub":"u1","exp":%d}`, in(-time.Second)), nil},
		"exp is a text":         {`{"active":true,"sub":"u1","exp":"tomorrow"}`, auth.ErrUnauthenticated},
		"exp is huge":           {`{"active":true,"sub":"u1","exp":1e300}`, auth.ErrUnauthenticated},
		"not yet":               {fmt.Sprintf(`{"active":true,"sub":"u1","nbf":%d}`, in(time.Hour)), auth.ErrUnauthenticated},
		"unknown binding":       {`{"active":true,"sub":"u1","cnf":{"kid":"x"}}`, auth.ErrUnauthenticated},
		"too large":             {`{"active":true,"sub":"u1","x":"` + strings.Repeat("x", 16<<10) + `"}`, auth.ErrVerifierUnavailable},
		"bound to a thumbprint": {`{"active":true,"sub":"u1","cnf":{"jkt":"t","x5t#S256":"c"}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, introspection.Config{}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
				e.set(func(e *endpoint) { e.answers["opaque"] = c.body })
				got, err := i.Verify(t.Context(), auth.Bearer("opaque"))
				if !errors.Is(err, c.want) || (err == nil) != (got != nil) {
					t.Fatalf("got %v, %v, want %v", got, err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), "u1") {
					t.Errorf("the error %q shows the answer", err)
				}
				switch name {
				case "all members":
					if got.Issuer != "as" || got.Subject != "u1" || got.TokenID != "j" || got.ExpiresAt.Unix() != in(time.Hour)+3 ||
						strings.Contains(string(got.Claims), "active") || !strings.Contains(string(got.Claims), `"scope":"live"`) {
						t.Errorf("got %+v with %s", got, got.Claims)
					}
				case "valid":
					if left := time.Until(got.ExpiresAt); left > time.Hour || left < time.Hour-time.Minute || string(got.Claims) != `{"iss":"as","sub":"u1"}` {
						t.Errorf("got %+v with %s", got, got.Claims)
					}
				case "bound to a thumbprint":
					if got.Bound != (auth.Binding{CertificateSHA256: "c", KeyThumbprint: "t"}) {
						t.Errorf("bound to %+v", got.Bound)
					}
				}
			})
		})
	}
}

func TestAudience(t *testing.T) {
	t.Parallel()
	inBubble(t, introspection.Config{Audience: "sluice"}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
		for token, c := range map[string]struct {
			audience string
			want     error
		}{
			"one":     {`"sluice"`, nil},
			"several": {`["a","sluice"]`, nil},
			"another": {`"sluice2"`, auth.ErrUnauthenticated},
			"none":    {`[]`, auth.ErrUnauthenticated},
			"numbers": {`[1]`, auth.ErrUnauthenticated},
		} {
			e.set(func(e *endpoint) { e.answers[token] = `{"active":true,"sub":"u1","aud":` + c.audience + `}` })
			if _, err := i.Verify(t.Context(), auth.Bearer(token)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", token, err)
			}
		}
		e.set(func(e *endpoint) { e.answers["missing"] = `{"active":true,"sub":"u1"}` })
		if _, err := i.Verify(t.Context(), auth.Bearer("missing")); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("missing: %v", err)
		}
	})
}

// Which credentials are sent to the server at all.
// TestAnswersGrantRights: authorization_details in an answer give rights on the streams of
// the configuration only, and make the token invalid if they are not understood.
func TestAnswersGrantRights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		patterns []string
		details  string
		streams  string // "invalid" for a token that is refused
	}{
		"configured":       {[]string{"orders*"}, `[{"type":"sluice","actions":["subscribe"],"streams":["orders.eu","audit","news"]}]`, "[orders.eu]"},
		"not configured":   {nil, `[{"type":"sluice","actions":["subscribe"],"streams":["orders.eu"]}]`, "[]"},
		"by name":          {[]string{"*"}, `[{"type":"sluice","actions":["subscribe"],"streams":["audit","news"]}]`, "[news]"},
		"by its name":      {[]string{"audit"}, `[{"type":"sluice","actions":["subscribe"],"streams":["audit"]}]`, "[audit]"},
		"another type":     {[]string{"*"}, `[{"type":"payment","actions":["subscribe"],"streams":["news"]}]`, "[]"},
		"a restriction":    {[]string{"*"}, `[{"type":"sluice","actions":["subscribe"],"streams":["news"],"only":"x"}]`, "invalid"},
		"a pattern":        {[]string{"*"}, `[{"type":"sluice","actions":["subscribe"],"streams":["*"]}]`, "invalid"},
		"ignored in a way": {nil, `"damaged"`, "[]"},
	} {
		details := must(auth.NewDetails(c.patterns, []string{"audit"}))
		inBubble(t, introspection.Config{Details: details}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
			e.set(func(e *endpoint) {
				e.answers["opaque"] = `{"active":true,"sub":"u","authorization_details":` + c.details + `}`
			})
			id, err := i.Verify(t.Context(), auth.Bearer("opaque"))
			got := "invalid"
			switch {
			case err == nil:
				streams := []string{}
				for _, g := range id.Grants {
					streams = append(streams, g.Subscribe...)
				}
				got = fmt.Sprint(streams)
			case !errors.Is(err, auth.ErrUnauthenticated):
				t.Errorf("%s: %v", name, err)
			}
			if got != c.streams {
				t.Errorf("%s: got %s, want %s", name, got, c.streams)
			}
		})
	}
	if _, err := auth.NewDetails([]string{""}, nil); err == nil {
		t.Error("an empty pattern is accepted")
	}
}

func TestWhatIsAskedAbout(t *testing.T) {
	t.Parallel()
	signed := func(issuer any) string {
		return must(jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": issuer}).SignedString([]byte("k")))
	}
	known := func(issuer string) bool { return issuer == "known" }
	for name, c := range map[string]struct {
		credential auth.Credential
		claimed    func(string) bool
		asked      bool
	}{
		"opaque":                         {auth.Bearer("2YotnFZFEjr1zCsicMWpAA"), nil, true},
		"opaque, with DPoP":              {auth.Credential{Scheme: auth.SchemeDPoP, Token: auth.NewSecret("opaque")}, nil, true},
		"opaque with dots":               {auth.Bearer("a.b.c"), nil, true},
		"encrypted":                      {auth.Bearer("eyJhbGciOiJkaXIifQ....."), nil, true},
		"a JWT":                          {auth.Bearer(signed("unknown")), nil, false},
		"a JWT of a known issuer":        {auth.Bearer(signed("known")), known, false},
		"a JWT of an unknown issuer":     {auth.Bearer(signed("unknown")), known, true},
		"a JWT whose issuer is a number": {auth.Bearer(signed(7)), known, true},
		"an API key":                     {auth.Bearer("sluice_a_b"), known, false},
		"an API key by its scheme":       {auth.Credential{Scheme: auth.SchemeAPIKey, Token: auth.NewSecret("opaque")}, nil, false},
		"a ticket":                       {auth.Credential{Scheme: auth.SchemeTicket, Token: auth.NewSecret("opaque")}, nil, false},
		"a certificate":                  {auth.Credential{Scheme: auth.SchemeCertificate}, nil, false},
	} {
		inBubble(t, introspection.Config{Claimed: c.claimed}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
			_, err := i.Verify(t.Context(), c.credential)
			if asked := e.asked.Load() == 1; asked != c.asked || errors.Is(err, auth.ErrOtherCredential) == c.asked {
				t.Errorf("%s: asked %v, %v", name, asked, err)
			}
		})
	}
}

func TestAnswersAreRemembered(t *testing.T) {
	t.Parallel()
	inBubble(t, introspection.Config{}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
		verify := func(token string, want error, asked int64) *auth.Identity {
			t.Helper()
			before := e.asked.Load()
			id, err := i.Verify(t.Context(), auth.Bearer(token))
			if !errors.Is(err, want) || e.asked.Load()-before != asked {
				t.Errorf("%s: got %v after %d requests, want %v after %d", token, err, e.asked.Load()-before, want, asked)
			}
			return id
		}
		e.set(func(e *endpoint) {
			e.answers["long"] = fmt.Sprintf(`{"active":true,"sub":"u1","exp":%d}`, time.Now().Add(time.Hour).Unix())
			e.answers["short"] = fmt.Sprintf(`{"active":true,"sub":"u1","exp":%d}`, time.Now().Add(10*time.Second).Unix())
		})
		id := verify("long", nil, 1)
		if again := verify("long", nil, 0); again != id {
			t.Error("another identity for the same token")
		}
		verify("short", nil, 1)
		verify("refused", auth.ErrUnauthenticated, 1)
		verify("refused", auth.ErrUnauthenticated, 0)
		e.set(func(e *endpoint) { e.answers["refused"], e.answers["long"] = e.answers["long"], "" })
		time.Sleep(5 * time.Second)
		verify("refused", nil, 1)
		verify("long", nil, 0)
		time.Sleep(9 * time.Second) // exp, and the skew
		verify("short", auth.ErrTokenExpired, 1)
		time.Sleep(16 * time.Second)
		verify("long", auth.ErrUnauthenticated, 1)
	})
}

// One request is in flight for a token, whoever gives up, and few altogether.
func TestRequestsInFlight(t *testing.T) {
	t.Parallel()
	inBubble(t, introspection.Config{}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
		e.set(func(e *endpoint) {
			e.answers["opaque"], e.takes = `{"active":true,"sub":"u1"}`, time.Second
		})
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		var failed atomic.Int64
		for range 50 {
			callers.Go(func() {
				if _, err := i.Verify(ctx, auth.Bearer("opaque")); errors.Is(err, context.Canceled) {
					failed.Add(1)
				}
			})
		}
		synctest.Wait()
		for range 50 {
			callers.Go(func() { must(i.Verify(t.Context(), auth.Bearer("opaque"))) })
		}
		cancel()
		callers.Wait()
		if n := e.asked.Load(); n != 1 || failed.Load() != 49 && failed.Load() != 50 {
			t.Errorf("%d requests, and %d of 50 gave up", n, failed.Load())
		}
		var unavailable atomic.Int64
		for n := range 1000 {
			callers.Go(func() {
				if _, err := i.Verify(t.Context(), auth.Bearer(fmt.Sprint("made-up-", n))); errors.Is(err, auth.ErrVerifierUnavailable) {
					unavailable.Add(1)
				}
			})
		}
		callers.Wait()
		if most := e.most.Load(); most != introspection.MaxInFlight || unavailable.Load() != 1000-introspection.MaxInFlight {
			t.Errorf("%d requests at once, %d sent away", most, unavailable.Load())
		}
		before := e.asked.Load()
		must(i.Verify(t.Context(), auth.Bearer("opaque")))
		if e.asked.Load() != before {
			t.Error("a valid token was displaced by made-up ones")
		}
	})
}

// An outage, of whatever kind, lets nobody in and says of no token that it is not valid.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*endpoint){
		"error":                  func(e *endpoint) { e.status = 500 },
		"our secret is refused":  func(e *endpoint) { e.status = 401 },
		"redirect":               func(e *endpoint) { e.status, e.location = 307, "http://127.0.0.1/other" },
		"redirect to somewhere":  func(e *endpoint) { e.status, e.location = 302, "http://169.254.169.254/" },
		"not JSON by its type":   func(e *endpoint) { e.kind = "text/html" },
		"a signed answer":        func(e *endpoint) { e.kind = "application/token-introspection+jwt" },
		"no answer":              func(e *endpoint) { e.takes = time.Minute },
		"an answer without body": func(e *endpoint) { e.status = 204 },
	} {
		var log bytes.Buffer
		inBubble(t, introspection.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
			e.set(func(e *endpoint) {
				e.answers["opaque"], e.answers["cached"] = `{"active":true,"sub":"u1"}`, `{"active":true,"sub":"u1"}`
			})
			must(i.Verify(t.Context(), auth.Bearer("cached")))
			e.set(fail)
			for n := range 10 {
				began, asked := time.Now(), e.asked.Load()
				_, err := i.Verify(t.Context(), auth.Bearer("opaque"))
				if !errors.Is(err, auth.ErrVerifierUnavailable) || errors.Is(err, auth.ErrUnauthenticated) {
					t.Errorf("%s: got %v", name, err)
				}
				if strings.Contains(err.Error(), "opaque") || strings.Contains(err.Error(), "s&cret") {
					t.Errorf("%s: the error shows a secret: %v", name, err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%s: it took %v", name, took)
				}
				if asked = e.asked.Load() - asked; (asked == 1) != (n < 5) {
					t.Errorf("%s: attempt %d made %d requests", name, n+1, asked)
				}
			}
			must(i.Verify(t.Context(), auth.Bearer("cached")))
			e.set(func(e *endpoint) { e.status, e.kind, e.location, e.takes = 0, "", "", 0 })
			time.Sleep(3 * time.Second)
			must(i.Verify(t.Context(), auth.Bearer("opaque")))
			if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "available again") {
				t.Errorf("%s: the log has\n%s", name, text)
			}
		})
	}
}

// TestTokensThatTheServerDislikes: whoever sends tokens that the server refuses to look at, or
// about which it says what cannot be used, keeps it from being asked about no other.
func TestTokensThatTheServerDislikes(t *testing.T) {
	t.Parallel()
	for name, dislike := range map[string]func(*endpoint){
		"a bad request":     func(e *endpoint) { e.status = http.StatusBadRequest },
		"a firewall":        func(e *endpoint) { e.status, e.kind = http.StatusForbidden, "text/html" },
		"too long":          func(e *endpoint) { e.status = http.StatusRequestEntityTooLarge },
		"a large answer":    func(e *endpoint) { e.answers["odd"] = `{"active":true,"sub":"` + strings.Repeat("x", 17<<10) + `"}` },
		"an unusable claim": func(e *endpoint) { e.answers["odd"] = `{"active":1}` },
	} {
		inBubble(t, introspection.Config{}, func(t *testing.T, e *endpoint, i *introspection.Introspector) {
			e.set(func(e *endpoint) { e.answers["opaque"] = `{"active":true,"sub":"u1"}` })
			e.set(dislike)
			for range 20 {
				if _, err := i.Verify(t.Context(), auth.Bearer("odd")); !errors.Is(err, auth.ErrVerifierUnavailable) {
					t.Errorf("%s: got %v", name, err)
				}
			}
			e.set(func(e *endpoint) { e.status, e.kind = 0, "" })
			if _, err := i.Verify(t.Context(), auth.Bearer("opaque")); err != nil {
				t.Errorf("%s: then %v", name, err)
			}
		})
	}
}

// panicking is a network that panics.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a bug") }

// TestAPanicTakesNoPlace: after any number of requests that have panicked, others are made, and
// nobody waits for one.
func TestAPanicTakesNoPlace(t *testing.T) {
	t.Parallel()
	c := config(introspection.Config{HTTPClient: &http.Client{Transport: panicking{}}})
	i := must(introspection.New(c))
	defer i.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	panicked := 0
	for range 2 {
		func() {
			defer func() {
				if recover() != nil {
					panicked++
				}
			}()
			_, err := i.Verify(ctx, auth.Bearer("opaque"))
			t.Errorf("got %v", err)
		}()
	}
	if panicked != 2 {
		t.Errorf("%d of two requests have panicked", panicked)
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*introspection.Config){
		"no issuer":     func(c *introspection.Config) { c.Issuer = "" },
		"no client":     func(c *introspection.Config) { c.ClientID = "" },
		"no secret":     func(c *introspection.Config) { c.ClientSecret = auth.Secret{} },
		"no timeout":    func(c *introspection.Config) { c.Timeout = 0 },
		"no lifetime":   func(c *introspection.Config) { c.Lifetime = 0 },
		"plain http":    func(c *introspection.Config) { c.URL = "http://id.example.com/introspect" },
		"no host":       func(c *introspection.Config) { c.URL = "https:///introspect" },
		"with password": func(c *introspection.Config) { c.URL = "https://a:b@id.example.com/introspect" },
		"another kind":  func(c *introspection.Config) { c.URL = "file:///etc/passwd" },
		"no URL":        func(c *introspection.Config) { c.URL = "" },
	} {
		c := config(introspection.Config{})
		breakIt(&c)
		if _, err := introspection.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	e := &endpoint{t: f, answers: map[string]string{}}
	server := httptest.NewServer(e)
	f.Cleanup(server.Close)
	c := config(introspection.Config{Audience: "sluice"})
	c.URL, c.CacheFor, c.RefusedFor = server.URL, 0, 0
	i := must(introspection.New(c))
	f.Cleanup(i.Close)
	f.Add(`{"active":true,"sub":"u1","aud":"sluice","exp":1e10}`)
	f.Add(`{"active":true,"sub":"u1","aud":["sluice"],"cnf":{"jkt":"x"}}`)
	f.Add(`{"active":false}`)
	f.Fuzz(func(t *testing.T, body string) {
		e.set(func(e *endpoint) { e.answers["opaque"] = body })
		id, err := i.Verify(t.Context(), auth.Bearer("opaque"))
		switch {
		case err == nil && (!strings.Contains(body, "true") || !auth.ValidSubject(id.Subject) || !time.Now().Before(id.ExpiresAt)):
			t.Fatalf("%q is accepted: %+v", body, id)
		case err != nil && id != nil:
			t.Fatal("both an identity and an error")
		}
	})
}
