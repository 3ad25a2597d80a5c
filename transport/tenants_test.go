package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport"
)

// startTenants starts a server with the stream orders, which each of the tenants a and b
// has of its own, in the topics a.orders and b.orders, and the stream public.news of all.
func startTenants(t *testing.T, tenancy auth.Tenancy, o options) *instance {
	t.Helper()
	change, was := o.stream, o.config
	o.stream = func(s *hub.Stream) {
		if s.Name == "orders" {
			s.Topic = hub.TenantPlaceholder + ".orders"
		}
		if change != nil {
			change(s)
		}
	}
	o.config = func(c *transport.Config) {
		var err error
		c.Auth, err = auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants: []auth.Grant{
				{When: map[string]string{}, Subscribe: []string{"*"}, Publish: []string{"orders"}, Replay: auth.ReplayUnlimited},
				{Anonymous: true, Subscribe: []string{"orders", "public.*"}, Replay: auth.ReplayUnlimited},
			},
			Tenancy: tenancy,
		})
		if err != nil {
			t.Fatal(err)
		}
		if was != nil {
			was(c)
		}
	}
	in := start(t, o)
	in.topics.Create("a.orders", 1)
	in.topics.Create("b.orders", 1)
	return in
}

// tenantToken returns a token of a subject, with the claim tenant unless that is empty.
func tenantToken(t testing.TB, subject, tenant string) string {
	t.Helper()
	more := map[string]any{}
	if tenant != "" {
		more["tenant"] = tenant
	}
	text, err := auth.Mint(secret, auth.TokenClaims{Issuer: "test", Audience: "sluice", Subject: subject, ValidFor: time.Hour, More: more})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTenantsDoNotMeet: the same subject in two tenants reads and writes records, stored
// cursors and quotas of its tenant only, in every way, and sees no sign of the other.
func TestTenantsDoNotMeet(t *testing.T) {
	t.Parallel()
	in := startTenants(t, auth.Tenancy{Claim: "tenant"}, options{limits: func(l *transport.Limits) { l.TenantMetrics = 10 }})
	tokens := map[string]string{"a": tenantToken(t, "u1", "a"), "b": tenantToken(t, "u1", "b"), "": tenantToken(t, "u1", "")}

	// Both read in all ways before anything is written.
	readers := make(map[string]func() string)
	for _, tenant := range []string{"a", "b"} {
		for name, query := range map[string]string{"one": "?stream=orders", "pattern": ""} {
			s := in.dial(query, tokens[tenant])
			if query == "" {
				s.until("welcome")
				s.send(`{"type":"subscribe","id":"p","stream":"ord*"}`)
			}
			s.until("subscribed")
			readers[tenant+" by socket, "+name] = func() string {
				e := s.until("event")
				if e.str("stream") != "orders" {
					t.Errorf("an event of the stream %q", e.str("stream"))
				}
				return fmt.Sprint(e["data"].(map[string]any)["of"])
			}
		}
		e := in.events("/v1/streams/orders/events", tokens[tenant])
		readers[tenant+" by event stream"] = func() string {
			for {
				next, ok := e.next()
				if !ok {
					return "ended"
				}
				var m message
				if json.Unmarshal([]byte(next.data), &m) == nil && m["data"] != nil {
					return fmt.Sprint(m["data"].(map[string]any)["of"])
				}
			}
		}
	}
	for _, tenant := range []string{"a", "b", "a", "b"} {
		status, _, body := in.do(http.MethodPost, "/v1/streams/orders/records", tokens[tenant], fmt.Sprintf(`{"data":{"of":%q}}`, tenant), "Content-Type", "application/json")
		if status != http.StatusOK {
			t.Fatalf("publish: %d %s", status, body)
		}
	}
	for name, read := range readers {
		for range 2 {
			if of := read(); of != name[:1] {
				t.Errorf("%s: got a record of %s", name, of)
			}
		}
	}
	for _, tenant := range []string{"a", "b"} {
		page := in.page("orders", "from=earliest", tokens[tenant])
		if len(page.Records) != 2 {
			t.Errorf("a page of %s has %d records", tenant, len(page.Records))
		}
		other := map[string]string{"a": "b", "b": "a"}[tenant]
		// A cursor of another tenant tells nothing: it is one of another topic.
		foreign := in.page("orders", "from="+in.page("orders", "from=latest", tokens[other]).Cursor, tokens[tenant])
		for _, gap := range foreign.Gaps {
			if gap["reason"] != "log_changed" {
				t.Errorf("with the cursor of %s, %s gets the gap %v", other, tenant, gap)
			}
		}
		for _, event := range foreign.Records {
			if of := event["data"].(map[string]any)["of"]; of != tenant {
				t.Errorf("with the cursor of %s, %s gets a record of %v", other, tenant, of)
			}
		}
		if status, _, body := in.do(http.MethodPut, "/v1/cursors/orders/mine", tokens[tenant], fmt.Sprintf(`{"cursor":%q}`, page.Cursor)); status != http.StatusOK {
			t.Errorf("store a cursor: %d %s", status, body)
		}
		if status, _, body := in.do(http.MethodGet, "/v1/cursors/orders/mine", tokens[other], ""); tenant == "a" && status != http.StatusGone {
			t.Errorf("%s finds the cursor of %s: %d %s", other, tenant, status, body)
		}
	}

	// Without a tenant there is no such stream, and nothing says that others have it.
	for _, d := range accesses() {
		if d.slow || !strings.Contains(d.path, "orders") && !strings.Contains(d.body, "orders") && !strings.Contains(d.then, "orders") {
			continue
		}
		missing := d
		for _, text := range []*string{&missing.path, &missing.body, &missing.then} {
			*text = strings.ReplaceAll(*text, "orders", "absent")
		}
		renew := map[bool]string{true: tokens[""]}[d.then != ""] // for an answer that comes last
		status, code := in.try(d, tokens[""], renew)
		wantStatus, want := in.try(missing, tokens[""], renew)
		if status != wantStatus || code != want {
			t.Errorf("%s %s%s: without a tenant %d %s, and for a stream that is not there %d %s", d.route, d.path, d.then, status, code, wantStatus, want)
		}
	}
	_, _, list := in.do(http.MethodGet, "/v1/streams", tokens[""], "")
	_, _, ofA := in.do(http.MethodGet, "/v1/streams", tokens["a"], "")
	if strings.Contains(list, "orders") || !strings.Contains(ofA, `"orders"`) || strings.Contains(ofA, "a.orders") {
		t.Errorf("without a tenant the streams are %s, and of a %s", list, ofA)
	}
	for series, want := range map[string]float64{
		`sluice_tenant_sessions{tenant="a"}`:                               3,
		`sluice_tenant_publishes_total{result="stored",tenant="b"}`:        2,
		`sluice_stream_subscribers{stream="orders",tenant="a"}`:            3,
		`sluice_stream_subscribers{stream="public.news",tenant=""}`:        0,
		`sluice_stream_records_read_total{stream="orders",tenant="b"}`:     2,
		`sluice_tenant_publishes_total{result="not_stored",tenant="a"}`:    0,
		`sluice_gaps_total{reason="retention",stream="orders",tenant="b"}`: 0,
	} {
		in.sampleBecomes(series, want)
	}
	if in.metric(`sluice_tenant_events_sent_total{tenant="a"}`) < 6 || in.metric(`sluice_tenant_sent_bytes_total{tenant="a"}`) < 100 {
		t.Error("what a was sent is not counted")
	}
	if status, body := in.operator("/streams"); status != http.StatusOK || strings.Count(body, `"stream":"orders"`) != 2 || !strings.Contains(body, `"tenant":"b"`) {
		t.Errorf("the operator sees %s", body)
	}
}

// TestTenantOfTheHost: the host name chooses the tenant, in requests and in handshakes,
// with and without a credential, in the first message too; and a credential of another
// tenant is refused there.
func TestTenantOfTheHost(t *testing.T) {
	t.Parallel()
	in := startTenants(t, auth.Tenancy{Claim: "tenant", Host: "{tenant}.example.com"}, options{})
	a, b := tenantToken(t, "u1", "a"), tenantToken(t, "u1", "b")
	for _, of := range []string{"a", "b"} {
		token := map[string]string{"a": a, "b": b}[of]
		if status, _, body := in.do(http.MethodPost, "/v1/streams/orders/records", token, fmt.Sprintf(`{"data":%q}`, of), "Host", of+".example.com", "Content-Type", "application/json"); status != http.StatusOK {
			t.Fatalf("publish: %d %s", status, body)
		}
	}
	for _, c := range []struct {
		host, token string
		status      int
		want        string
	}{
		{"a.example.com", a, http.StatusOK, `"data":"a"`},
		{"A.Example.com:8443", a, http.StatusOK, `"data":"a"`},
		{"a.example.com", "", http.StatusOK, `"data":"a"`},
		{"b.example.com", "", http.StatusOK, `"data":"b"`},
		{"b.example.com", a, http.StatusUnauthorized, "unauthenticated"},
		{"example.com", a, http.StatusUnauthorized, "unauthenticated"},
		{"example.com", "", http.StatusNotFound, "unknown_stream"},
		{"c.example.com", "", http.StatusNotFound, "topic_missing"},
	} {
		status, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?from=earliest", c.token, "", "Host", c.host)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: got %d %s, want %d %s", c.host, status, body, c.status, c.want)
		}
	}
	dial := func(host string) *socket {
		t.Helper()
		c, _, err := websocket.Dial(t.Context(), in.url+"/v1/ws", &websocket.DialOptions{Host: host}) //nolint:bodyclose // the library has
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		return &socket{t: t, Conn: c}
	}
	first := func(token, host string) string {
		t.Helper()
		s := dial(host)
		if token != "" {
			s.send(`{"type":"auth","id":"t","token":%q}`, token)
		}
		s.send(`{"type":"subscribe","id":"1","stream":"orders","from":"earliest"}`)
		for {
			switch m := s.next(); m.str("type") {
			case "event":
				return m.str("data")
			case "error":
				return m.str("code")
			}
		}
	}
	for _, c := range [][3]string{
		{a, "a.example.com", "a"},
		{b, "b.example.com", "b"},
		{"", "b.example.com", "b"},
		{a, "b.example.com", "unauthenticated"},
		{b, "example.com", "unauthenticated"},
	} {
		if got := first(c[0], c[1]); got != c[2] {
			t.Errorf("at %s: got %s, want %s", c[1], got, c[2])
		}
	}
	// A session cannot change over to another tenant.
	s := dial("a.example.com")
	s.send(`{"type":"auth","id":"t","token":%q}`, a)
	s.until("welcome")
	s.send(`{"type":"auth","id":"r","token":%q}`, b)
	if m := s.until("error"); m.str("code") != "unauthenticated" {
		t.Errorf("renewed with a token of another tenant: %v", m)
	}
	s.send(`{"type":"auth","id":"s","token":%q}`, tenantToken(t, "u1", "a"))
	s.until("authenticated")
}

// TestPagesOfOtherTenants: a page at the host of one tenant, though its origin is listed,
// has no use of what a browser adds to requests for the host of another one.
func TestPagesOfOtherTenants(t *testing.T) {
	t.Parallel()
	in := startTenants(t, auth.Tenancy{Claim: "tenant", Host: "{tenant}.example.com"}, options{config: func(c *transport.Config) {
		withCookie(http.SameSiteStrictMode)(c)
		var err error
		c.Credentials.Origins, err = auth.NewOrigins([]string{"https://a.example.com", "https://B.example.com:8443", "https://app.example.org"})
		if err != nil {
			t.Fatal(err)
		}
	}})
	a := tenantToken(t, "u1", "a")
	for _, c := range []struct {
		origin   string
		cookie   int // the status with the cookie
		explicit int // and with the token in a header
	}{
		{"https://a.example.com", http.StatusOK, http.StatusOK},
		{"https://app.example.org", http.StatusOK, http.StatusOK},
		{"https://b.example.com:8443", http.StatusForbidden, http.StatusOK},
	} {
		path, page := "/v1/streams/orders/records", []string{"Host", "a.example.com", "Origin", c.origin, "X-Forwarded-Proto", "https"}
		if status, _, body := in.do(http.MethodGet, path, "", "", append(page, "Cookie", auth.CookieName+"="+a)...); status != c.cookie || strings.Contains(body, "another tenant's (tenants/host)") != (status == http.StatusForbidden) {
			t.Errorf("%s, with the cookie: %d %s", c.origin, status, body)
		}
		if status, _, body := in.do(http.MethodGet, path, a, "", page...); status != c.explicit {
			t.Errorf("%s, with the token: %d %s", c.origin, status, body)
		}
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			token := map[string]string{http.MethodPost: a}[method]
			if status, _, body := in.do(method, "/v1/cookie", token, "", page...); (status == http.StatusForbidden) != (c.cookie == http.StatusForbidden) {
				t.Errorf("%s, %s the cookie: %d %s", c.origin, method, status, body)
			}
		}
	}
}

// tenantProducer stores nothing in a.orders while it is held.
type tenantProducer struct {
	upstream.Producer
	until atomic.Pointer[chan struct{}]
	holds atomic.Int32 // what it holds
}

// hold holds the producer until the channel that it returns is closed.
func (p *tenantProducer) hold() chan struct{} {
	held := make(chan struct{})
	p.until.Store(&held)
	return held
}

func (p *tenantProducer) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	held := p.until.Load()
	if held == nil || topic != "a.orders" {
		p.Producer.Produce(ctx, topic, messages, done)
		return
	}
	p.holds.Add(1)
	go func() {
		<-*held
		p.Producer.Produce(ctx, topic, messages, done)
	}()
}

// TestQuotasOfTenants: what one tenant uses up leaves another's alone.
func TestQuotasOfTenants(t *testing.T) {
	t.Parallel()
	producer := &tenantProducer{}
	in := startTenants(t, auth.Tenancy{Claim: "tenant", Host: "{tenant}.example.com"}, options{
		stream: func(s *hub.Stream) {
			if s.Name == "orders" {
				producer.Producer, s.Producer = s.Producer, producer
			}
		},
		limits: func(l *transport.Limits) { l.SessionsPerTenant, l.PublishesPerTenant, l.TenantMetrics = 2, 1, 1 },
	})
	open := func(host, token string) *websocket.Conn {
		t.Helper()
		header := http.Header{}
		if token != "" {
			header.Set("Authorization", "Bearer "+token)
		}
		c, _, err := websocket.Dial(t.Context(), in.url+"/v1/ws?stream=orders", &websocket.DialOptions{Host: host, HTTPHeader: header}) //nolint:bodyclose // the library has
		if err != nil {
			return nil
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		c.SetReadLimit(-1)
		if token == "" { // the first request makes the client an anonymous one
			_ = c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping","id":"p"}`))
		}
		for {
			_, text, err := c.Read(t.Context())
			if err != nil {
				return nil
			}
			if strings.Contains(string(text), `"subscribed"`) {
				return c
			}
		}
	}
	// Sessions of different principals, one of them anonymous, are those of one tenant.
	one := open("a.example.com", tenantToken(t, "u1", "a"))
	two := open("a.example.com", "")
	if one == nil || two == nil {
		t.Fatal("the sessions were refused")
	}
	if three := open("a.example.com", tenantToken(t, "u3", "a")); three != nil {
		t.Error("a third session is open")
	}
	if other := open("b.example.com", tenantToken(t, "u1", "b")); other == nil {
		t.Error("another tenant has no session")
	}
	_ = one.CloseNow()
	in.eventually("a session of the tenant has room again", func() bool {
		c := open("a.example.com", tenantToken(t, "u1", "a"))
		return c != nil
	})

	// A publish that Kafka does not answer takes the only place of its tenant.
	held := producer.hold()
	stored := make(chan int, 1)
	go func() {
		status, _, _ := in.do(http.MethodPost, "/v1/streams/orders/records", tenantToken(t, "u1", "a"), "1", "Host", "a.example.com", "Content-Type", "text/plain")
		stored <- status
	}()
	in.eventually("the place is taken", func() bool { return producer.holds.Load() == 1 })
	status, _, body := in.do(http.MethodPost, "/v1/streams/orders/records", tenantToken(t, "u2", "a"), "2", "Host", "a.example.com", "Content-Type", "text/plain")
	if status != http.StatusTooManyRequests || !strings.Contains(body, "rate_limited") {
		t.Errorf("another publish of the tenant: %d %s", status, body)
	}
	if status, _, body := in.do(http.MethodPost, "/v1/streams/orders/records", tenantToken(t, "u1", "b"), "3", "Host", "b.example.com", "Content-Type", "text/plain"); status != http.StatusOK {
		t.Errorf("another tenant's publish: %d %s", status, body)
	}
	close(held)
	if status := <-stored; status != http.StatusOK {
		t.Errorf("the publish that waited: %d", status)
	}
	in.eventually("the place is free again", func() bool {
		status, _, _ := in.do(http.MethodPost, "/v1/streams/orders/records", tenantToken(t, "u1", "a"), "4", "Host", "a.example.com", "Content-Type", "text/plain")
		return status == http.StatusOK
	})
	// One tenant has metrics, the one that came first, as long as it has sessions.
	if a, b := in.metric(`sluice_tenant_sessions{tenant="a"}`), in.metric(`sluice_tenant_sessions{tenant="b"}`); a != 2 || b != -1 {
		t.Errorf("the sessions of a are %v, and of b %v", a, b)
	}
}

// TestRefusedSessionsLeaveTheirTenantsQuota: a client that is refused, as its principal has as
// many sessions as it may, counts for its tenant no longer than it is connected, however often
// it has asked before it is told.
func TestRefusedSessionsLeaveTheirTenantsQuota(t *testing.T) {
	t.Parallel()
	in := startTenants(t, auth.Tenancy{Claim: "tenant"}, options{limits: func(l *transport.Limits) {
		l.SessionsPerPrincipal, l.SessionsPerTenant, l.TenantMetrics = 1, 10, 1
	}})
	tok := tenantToken(t, "u1", "a")
	s := in.dial("?stream=orders", tok)
	s.until("welcome")
	const sessions = `sluice_tenant_sessions{tenant="a"}`
	in.sampleBecomes(sessions, 1)
	ask := frame(fin|text, fmt.Sprintf(`{"type":"auth","id":"0","token":%q}`, tok))
	for range 20 {
		c, _ := in.open(t, handshakeOf(""), false)
		var all [][]byte
		for range 100 {
			all = append(all, ask)
		}
		_, _ = c.Write(joined(all...))
		if m := c.until("closing"); m.str("code") != "too_many_sessions" {
			t.Fatalf("got %v", m)
		}
		_ = c.Close()
	}
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 1)
	in.sampleBecomes(sessions, 1)
}
