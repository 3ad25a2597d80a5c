package transport_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// shownSession is a session as operators see it.
type shownSession struct {
	Session, Principal, Tenant, Protocol, Address string

	Key             string `json:"principal_key"`
	Anonymous       bool
	Unauthenticated bool
	Busy            bool
	Started         int64
	Expires         int64 `json:"expires_at"`
	Records         int   `json:"sent_records"`
	Bytes           int   `json:"sent_bytes"`
	Buffered        int   `json:"buffered_bytes"`
	Subscriptions   []shownSubscription
}

type shownSubscription struct {
	ID, Stream, Pattern, State, Filter string

	Lag    *int64 `json:"lag_records"`
	LagMS  *int64 `json:"lag_ms"`
	Cursor string `json:"cursor_name"`
	Keys   []string
	Key    []string
}

// sessions returns what an operator sees of sessions. On a busy machine some may not answer in
// time: they are asked again.
func (in *instance) sessions(tok, query string) (all []shownSession, total int, next string) {
	in.t.Helper()
	for range 20 {
		all, total, next = in.sessionsNow(tok, query)
		if !slices.ContainsFunc(all, func(x shownSession) bool { return x.Busy }) {
			break
		}
	}
	return all, total, next
}

func (in *instance) sessionsNow(tok, query string) (all []shownSession, total int, next string) {
	in.t.Helper()
	status, _, body := in.do(http.MethodGet, "/v1/admin/sessions"+query, tok, "")
	var answer struct {
		Sessions []shownSession
		Total    int
		Next     string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		in.t.Fatalf("got %d %s, %v", status, body, err)
	}
	return answer.Sessions, answer.Total, answer.Next
}

func operatorToken(t testing.TB) string { return token(t, "op", "operate", time.Hour) }

// TestSessionsAreShown: operators see who is connected, by what, what each session reads,
// how far it is, and what it was sent.
func TestSessionsAreShown(t *testing.T) {
	t.Parallel()
	in := start(t, options{stream: func(s *hub.Stream) { s.LogBytes = 4 << 20 }})
	op, live := operatorToken(t), token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 5)
	s := in.dial("", live)
	s.until("welcome")
	s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest","cursor_name":"n"}`)
	for range 5 {
		s.until("event")
	}
	s.send(`{"type":"subscribe","id":"b","stream":"orders","key":["k1","k2"]}`)
	s.until("subscribed")
	s.send(`{"type":"pause","id":"b"}`)
	s.until("paused")
	in.publish("orders", 0, 5, 7)
	s.until("event")
	s.until("event")
	events := in.reads("/v1/events?stream=public.*", "")
	lines := in.reads("/v1/streams/public.news/events", "", "Accept", "application/x-ndjson")
	silent := in.dial("", "") // it has not authenticated yet

	all, total, next := in.sessions(op, "")
	if total != 4 || len(all) != 4 || next != "" {
		t.Fatalf("got %d of %d, next %q", len(all), total, next)
	}
	by := map[string]shownSession{}
	for _, x := range all {
		by[fmt.Sprintf("%s %s", x.Protocol, x.Principal)] = x
		if x.Busy || !strings.HasPrefix(x.Session, "s_") || x.Address != "127.0.0.1" || time.Since(time.UnixMilli(x.Started)).Abs() > time.Minute {
			t.Errorf("got %+v", x)
		}
	}
	x := by["websocket u42"]
	if x.Key != "user:test:u42" || x.Anonymous || x.Records != 7 || x.Bytes < 500 || x.Buffered != 0 || time.Until(time.UnixMilli(x.Expires)) > time.Hour+time.Minute || len(x.Subscriptions) != 2 {
		t.Errorf("the WebSocket: %+v", x)
	}
	if a := x.Subscriptions[0]; a.ID != "a" || a.Stream != "orders" || a.State != "live" || a.Lag == nil || *a.Lag != 0 || a.LagMS == nil || *a.LagMS != 0 || a.Cursor != "n" {
		t.Errorf("live: %+v", a)
	}
	if b := x.Subscriptions[1]; b.State != "paused" || b.Lag == nil || *b.Lag != 2 || b.LagMS == nil || *b.LagMS < 1 || *b.LagMS > time.Minute.Milliseconds() || !slices.Equal(b.Key, []string{"k1", "k2"}) {
		t.Errorf("paused: %+v", b)
	}
	if e := by["sse "]; !e.Anonymous || len(e.Subscriptions) != 1 || e.Subscriptions[0].Pattern != "public.*" || e.Subscriptions[0].Stream != "public.news" {
		t.Errorf("server-sent events: %+v", e)
	}
	if n := by["ndjson "]; !n.Anonymous || len(n.Subscriptions) != 1 || n.Expires != 0 {
		t.Errorf("NDJSON: %+v", n)
	}
	if w := by["websocket "]; !w.Unauthenticated || w.Anonymous || len(w.Subscriptions) != 0 {
		t.Errorf("not authenticated: %+v", w)
	}

	for query, want := range map[string]int{
		"?stream=orders": 1, "?stream=public.news": 2, "?stream=nope": 0, "?principal=u42": 1, "?principal=" + url.QueryEscape("user:test:u42"): 1,
		"?principal=u4": 0, "?principal=127.0.0.1": 0, "?principal=u42&stream=public.news": 0,
	} {
		if all, total, _ := in.sessions(op, query); len(all) != want || total != want {
			t.Errorf("%s: %d of %d, want %d", query, len(all), total, want)
		}
	}
	var seen []string
	for after, n := "", 0; n == 0 || after != ""; n++ {
		page, total, next := in.sessions(op, "?limit=1&after="+after)
		if len(page) != 1 || total != 4 || n > 4 {
			t.Fatalf("page %d has %d of %d", n, len(page), total)
		}
		seen, after = append(seen, page[0].Session), next
	}
	if len(seen) != 4 || !slices.IsSorted(seen) {
		t.Errorf("the pages have %v", seen)
	}
	for _, query := range []string{"?limit=0", "?limit=501", "?limit=x", "?limit=1&limit=2", "?what=1", "?principal=%ff"} {
		status, head, body := in.do(http.MethodGet, "/v1/admin/sessions"+query, op, "")
		in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	}
	// The admin listener shows the same.
	if status, m, body := in.operate(http.MethodGet, "/sessions?stream=orders", ""); status != http.StatusOK || m["total"] != 1.0 || !strings.Contains(body, "user:test:u42") {
		t.Errorf("got %d %s", status, body)
	}
	events.cancel()
	lines.cancel()
	_ = silent.CloseNow()
	in.eventually("those that have left are not shown", func() bool { _, total, _ := in.sessions(op, ""); return total == 1 })
}

// TestStuckSessionsAreShown: a session whose client does not read shows what waits for it,
// at once, and the operator's question has nothing delivered out of order.
func TestStuckSessionsAreShown(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, func(t *testing.T, overTLS bool) {
		t.Helper()
		in := start(t, options{
			tls:    overTLS,
			limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer = never, 8<<10 },
			stream: func(s *hub.Stream) { s.LogBytes = 4 << 20 },
		})
		stuck, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+token(t, "u", "live", time.Hour)), true)
		value := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
		stuck.until("caught_up")
		const records = 200
		for range records {
			in.topics.Append("orders", record.Record{Value: value})
		}
		in.eventually("its socket is full", func() bool { stuck, _ := in.server.Held(); return stuck == 1 })
		for range 20 { // each of which has it try to write
			all, _, _ := in.sessions(operatorToken(t), "")
			if len(all) != 1 || all[0].Busy || all[0].Buffered == 0 || len(all[0].Subscriptions) != 1 || all[0].Subscriptions[0].Lag == nil || *all[0].Subscriptions[0].Lag == 0 {
				t.Fatalf("got %+v", all)
			}
		}
		for n := range records {
			if m := stuck.until("event"); m["offset"] != float64(n) {
				t.Fatalf("got offset %v, want %d", m["offset"], n)
			}
		}
		in.eventually("it has had everything", func() bool {
			all, _, _ := in.sessions(operatorToken(t), "")
			return all[0].Records == records && all[0].Buffered == 0 && all[0].Subscriptions[0].State == "live"
		})
	})
}

// TestSessionsInOrder: those that are furthest behind come first, of all sessions, also those
// whose clients do not read or have paused.
func TestSessionsInOrder(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer = never, 8<<10 },
		stream: func(s *hub.Stream) { s.LogBytes = 4 << 20 },
	})
	op := operatorToken(t)
	first := func(query string) (who string) {
		t.Helper()
		all, _, _ := in.sessions(op, query)
		for _, x := range all {
			who += x.Principal + " "
		}
		return strings.TrimSpace(who)
	}
	live := in.dial("?stream=orders", token(t, "live", "live", time.Hour))
	live.until("caught_up")
	paused := in.dial("?stream=orders", token(t, "paused", "live", time.Hour))
	id := paused.until("caught_up").str("id")
	paused.send(`{"type":"pause","id":%q}`, id)
	paused.until("paused")
	value := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
	appended := func(n int) {
		for range n {
			in.topics.Append("orders", record.Record{Value: value})
		}
		for range n {
			live.until("event")
		}
	}
	appended(10)
	stuck, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+token(t, "stuck", "live", time.Hour)), true)
	stuck.until("caught_up")
	appended(200)
	in.eventually("its socket is full", func() bool { stuck, _ := in.server.Held(); return stuck == 1 })

	for query, want := range map[string]string{
		"?order=lag_records": "paused stuck live", "?order=lag_records&limit=1": "paused", "?order=sent_records": "live stuck paused",
		"?order=sent_bytes&limit=2": "live stuck", "?order=buffered_bytes&limit=1": "stuck", "?order=started": "stuck paused live",
	} {
		if got := first(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	var got []string
	for after, n := "", 0; n == 0 || after != ""; n++ {
		all, total, next := in.sessions(op, "?order=lag_records&limit=1&after="+url.QueryEscape(after))
		if len(all) != 1 || total != 3 || n > 3 {
			t.Fatalf("page %d has %d of %d", n, len(all), total)
		}
		got, after = append(got, all[0].Principal), next
	}
	if want := []string{"paused", "stuck", "live"}; !slices.Equal(got, want) {
		t.Errorf("the pages have %v, want %v", got, want)
	}
	for _, query := range []string{"?order=age", "?order=lag_records&order=started", "?order=started&after=x", "?order=started&after=s_X", "?order=started&after=1e3/s_X"} {
		status, head, body := in.do(http.MethodGet, "/v1/admin/sessions"+query, op, "")
		in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	}
	status, head, body := in.do(http.MethodGet, "/v1/admin/cursors?order=started", op, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
}

// TestKick: a session that an operator ends is told so, and that there is no sense in
// coming back, in every dialect; one that does not read ends all the same.
func TestKick(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer = never, 8<<10 }})
	op, live := operatorToken(t), token(t, "u", "live", time.Hour)
	kick := func() {
		t.Helper()
		all, _, _ := in.sessions(op, "?principal=u")
		if len(all) != 1 {
			t.Fatalf("there are %d sessions", len(all))
		}
		if status, _, body := in.do(http.MethodDelete, "/v1/admin/sessions/"+all[0].Session, op, ""); status != http.StatusNoContent {
			t.Fatalf("got %d %s", status, body)
		}
	}
	gone := func() {
		t.Helper()
		in.eventually("it has ended", func() bool { all, _, _ := in.sessions(op, "?principal=u"); return len(all) == 0 })
	}
	s := in.dial("?stream=orders", live)
	s.until("welcome")
	kick()
	if m := s.closesWith("kicked", 4512); m.str("action") != "stop" || m["retryable"] == true {
		t.Errorf("got %v", m)
	}
	gone()
	e := in.reads("/v1/streams/orders/events", live)
	kick()
	e.closesWith("kicked", "stop", true)
	gone()
	l := in.reads("/v1/streams/orders/events", live, "Accept", "application/x-ndjson")
	kick()
	if text, _ := io.ReadAll(l.res.Body); !strings.Contains(string(text), `"code":"kicked"`) || !strings.Contains(string(text), `"action":"stop"`) {
		t.Errorf("got %s", text)
	}
	gone()
	stuck, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+live), true)
	stuck.until("caught_up")
	value := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
	for range 200 {
		in.topics.Append("orders", record.Record{Value: value})
	}
	in.eventually("its socket is full", func() bool { stuck, _ := in.server.Held(); return stuck == 1 })
	kick()
	gone()
	_ = stuck.Close()
	for _, method := range []string{http.MethodDelete, http.MethodPost} {
		path := "/v1/admin/sessions/s_NOPE"
		if method == http.MethodPost {
			path += "/drain"
		}
		status, head, body := in.do(method, path, op, "")
		in.problem(t, status, head, body, http.StatusNotFound, "unknown_session")
	}
	if n := in.sample(`sluice_operator_acts_total{act="kick"}`); n != 4 {
		t.Errorf("%v acts were counted", n)
	}
}

// TestDrainByOperators: the clients are told to come back, and can: the instance goes on.
func TestDrainByOperators(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.DrainSpread = time.Second }})
	op, live := operatorToken(t), token(t, "u", "live", time.Hour)
	s, other := in.dial("?stream=orders", live), in.dial("?stream=orders", token(t, "v", "live", time.Hour))
	s.until("caught_up")
	other.until("caught_up")
	all, _, _ := in.sessions(op, "?principal=u")
	if status, _, body := in.do(http.MethodPost, "/v1/admin/sessions/"+all[0].Session+"/drain", op, ""); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, body)
	}
	s.until("drain")
	m := s.closesWith("draining", 1012)
	if cursors, _ := m["cursors"].(map[string]any); m.str("action") != "resume" || len(cursors) != 1 || !strings.Contains(m.str("message"), "operator") {
		t.Errorf("got %v", m)
	}
	other.alive()
	e := in.reads("/v1/streams/public.news/events", "")
	began := time.Now()
	status, _, body := in.do(http.MethodPost, "/v1/admin/drain", op, "")
	if status != http.StatusOK || strings.TrimSpace(body) != `{"sessions":2,"within_ms":1000}` {
		t.Errorf("got %d %s", status, body)
	}
	other.closesWith("draining", 1012)
	e.closesWith("draining", "resume", false)
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
	again := in.dial("?stream=orders", live)
	again.until("caught_up")
	again.alive()
}

// TestDrainOfAClientThatDoesNotRead: it is not told, and cannot hold its session for as long as
// it takes some bytes now and then.
func TestDrainOfAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, func(t *testing.T, overTLS bool) {
		t.Helper()
		in := start(t, options{
			tls:    overTLS,
			config: func(c *transport.Config) { c.DrainTimeout, c.DrainSpread = 100*time.Millisecond, 100*time.Millisecond },
			limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer = never, 8<<10 },
			stream: func(s *hub.Stream) { s.LogBytes = 4 << 20 },
		})
		op, live := operatorToken(t), token(t, "u", "live", time.Hour)
		for _, path := range []string{"/sessions/{session}/drain", "/drain"} {
			stuck, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+live), true)
			stuck.until("caught_up")
			value := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
			for range 200 {
				in.topics.Append("orders", record.Record{Value: value})
			}
			in.eventually("its socket is full", func() bool { stuck, _ := in.server.Held(); return stuck == 1 })
			all, _, _ := in.sessions(op, "")
			path = "/v1/admin" + strings.ReplaceAll(path, "{session}", all[0].Session)
			if status, _, body := in.do(http.MethodPost, path, op, ""); status >= http.StatusBadRequest {
				t.Fatalf("got %d %s", status, body)
			}
			in.eventually("it has ended", func() bool { _, total, _ := in.sessions(op, ""); return total == 0 })
			_ = stuck.Close()
		}
	})
}

// TestOperatorsOfATenant: an operator that has a tenant sees and touches its tenant only.
func TestOperatorsOfATenant(t *testing.T) {
	t.Parallel()
	in := startTenants(t, auth.Tenancy{Claim: "tenant"}, options{config: func(c *transport.Config) {
		c.Auth = must(auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants:  []auth.Grant{{Subscribe: []string{"*"}}, {When: map[string]string{"sub": "op"}, Admin: true}},
			Tenancy: auth.Tenancy{Claim: "tenant"},
		}))
	}})
	of := map[string]string{"a": tenantToken(t, "op", "a"), "b": tenantToken(t, "op", "b"), "": tenantToken(t, "op", "")}
	sockets := map[string]*socket{}
	for _, tenant := range []string{"a", "b"} {
		sockets[tenant] = in.dial("?stream=orders", tenantToken(t, "u", tenant))
		sockets[tenant].until("caught_up")
	}
	ids := map[string]string{}
	for _, tenant := range []string{"a", "b"} {
		all, total, _ := in.sessions(of[tenant], "")
		if len(all) != 1 || total != 1 || all[0].Tenant != tenant {
			t.Fatalf("%s sees %+v", tenant, all)
		}
		ids[tenant] = all[0].Session
		_, _, body := in.do(http.MethodGet, "/v1/admin/streams", of[tenant], "")
		if !strings.Contains(body, tenant+".orders") || strings.Count(body, `"stream":`) != 1 || !strings.Contains(body, `"sessions":1`) {
			t.Errorf("%s sees the streams %s", tenant, body)
		}
	}
	if _, total, _ := in.sessions(of[""], ""); total != 2 {
		t.Errorf("who has no tenant sees %d sessions", total)
	}
	for _, path := range []string{"GET /v1/admin/instance", "GET /v1/admin/metrics", "POST /v1/admin/drain"} {
		method, path, _ := strings.Cut(path, " ")
		status, head, body := in.do(method, path, of["a"], "")
		in.problem(t, status, head, body, http.StatusForbidden, "forbidden")
	}
	for _, request := range []string{"DELETE /v1/admin/sessions/" + ids["b"], "POST /v1/admin/sessions/" + ids["b"] + "/drain"} {
		method, path, _ := strings.Cut(request, " ")
		status, head, body := in.do(method, path, of["a"], "")
		in.problem(t, status, head, body, http.StatusNotFound, "unknown_session")
	}
	sockets["b"].alive()
	if status, _, body := in.do(http.MethodDelete, "/v1/admin/sessions/"+ids["b"], of["b"], ""); status != http.StatusNoContent {
		t.Errorf("got %d %s", status, body)
	}
	sockets["b"].closesWith("kicked", 4512)
	sockets["a"].alive()
}

// TestActsOfOperatorsAreAudited: who did what to whom; and who tried to.
func TestActsOfOperatorsAreAudited(t *testing.T) {
	t.Parallel()
	o, a := audited(t, options{})
	in := start(t, o)
	s := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
	s.until("caught_up")
	all, _, _ := in.sessions(operatorToken(t), "?principal=u")
	id := all[0].Session
	in.do(http.MethodDelete, "/v1/admin/sessions/"+id, token(t, "w", "live", time.Hour), "")
	in.do(http.MethodDelete, "/v1/admin/sessions/"+id, "", "")
	in.do(http.MethodDelete, "/v1/admin/sessions/s_NOPE", operatorToken(t), "")
	in.do(http.MethodPost, "/v1/admin/sessions/"+id+"/drain", operatorToken(t), "")
	s.closesWith("draining", 1012)
	in.do(http.MethodPost, "/v1/admin/drain", operatorToken(t), "")
	in.operate(http.MethodDelete, "/sessions/s_NOPE", "")
	in.operate(http.MethodPost, "/drain", "")
	if err := in.stop(); err != nil {
		t.Fatal(err)
	}
	a.stop()
	var acts []message
	for _, m := range a.events(t) {
		if kind := m.str("msg"); kind == "administered" || kind == "refused" {
			acts = append(acts, m)
		}
	}
	const by = " operator=user:test:op credential=header/bearer address=127.0.0.1"
	same(t, told(acts, "code", "action", "route", "status", "target_session", "target_principal", "principal", "operator", "credential", "address"),
		"refused code=forbidden action=administer route=DELETE /v1/admin/sessions/{session} principal=user:test:w credential=header/bearer address=127.0.0.1",
		"refused code=forbidden action=administer route=DELETE /v1/admin/sessions/{session} principal=anonymous:127.0.0.1 address=127.0.0.1",
		"refused code=unknown_session action=administer route=DELETE /v1/admin/sessions/{session} principal=user:test:op credential=header/bearer address=127.0.0.1",
		"administered route=POST /v1/admin/sessions/{session}/drain status=204 target_session="+id+" target_principal=user:test:u"+by,
		"administered route=POST /v1/admin/drain status=200"+by,
		"administered route=DELETE /sessions/{session} status=404 address=127.0.0.1",
		"refused code=unknown_session action=administer route=DELETE /sessions/{session} address=127.0.0.1",
		"administered route=POST /drain status=200 address=127.0.0.1",
	)
}
