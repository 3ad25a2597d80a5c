package transport_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport"
	"sluice/transport/audit"
)

// trail is the audit events of a test's server.
type trail struct {
	*journal
	recorder *audit.Recorder
	stop     func() // ends the recorder; then all events are in the journal
}

// audited makes options for a server with an audit. The log has all events.
func audited(t testing.TB, o options) (options, *trail) {
	t.Helper()
	a := &trail{journal: &journal{}}
	var err error
	a.recorder, err = audit.New(audit.Config{
		Log: true, Queue: 1 << 20, QueueBytes: 1 << 30, TokenIDs: audit.TokenIDsPlain, SumEvery: time.Minute,
		DrainTimeout: time.Second, Logger: slog.New(slog.NewJSONHandler(a.journal, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = a.recorder.Run(ctx) }()
	a.stop = func() { cancel(); <-ended }
	t.Cleanup(a.stop)
	configure := o.config
	o.config = func(c *transport.Config) {
		c.Audit = a.recorder
		if configure != nil {
			configure(c)
		}
	}
	return o, a
}

// events returns the events so far, without those of the recorder's start and end.
func (a *trail) events(t testing.TB) (all []message) {
	t.Helper()
	for line := range strings.Lines(a.text()) {
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if kind := m.str("msg"); kind != "started" && kind != "stopped" {
			all = append(all, m)
		}
	}
	return all
}

// told returns each event as a line: its type, and those of some attributes that it has.
func told(events []message, attributes ...string) (lines []string) {
	for _, m := range events {
		line := m.str("msg")
		for _, name := range attributes {
			if value, ok := m[name]; ok {
				line += fmt.Sprintf(" %s=%v", name, value)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// same compares lines, whatever their order.
func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// routeAction is what the requests of a route are for.
var routeAction = map[string]string{
	"/v1/ws": "connect", "/v1/events": "subscribe", "/v1/streams/{stream}/events": "subscribe", "/v1/streams/{stream}/records": "read",
	"/v1/cursors/{stream}/{name}": "cursor", "/v1/principal": "other", "/v1/streams": "other", "/v1/streams/{stream}": "other", "/v1/streams/{stream}/schema": "other", "/v1/tickets": "other", "/v1/cookie": "other",
	"/topics/{topic}": "publish",
}

// TestEveryRefusalIsAudited: every access of every route with a credential that does
// not permit it leaves one event, with its code, route and action, and with the
// principal where it is known.
func TestEveryRefusalIsAudited(t *testing.T) {
	t.Parallel()
	for outcome, token := range map[string]func(t *testing.T) string{
		"unauthenticated": func(*testing.T) string { return "not.a.token" },
		"token_expired":   func(t *testing.T) string { return expired(t) },
		"no right":        func(t *testing.T) string { return token(t, "u", "nothing", time.Hour) },
	} {
		for _, d := range accesses() {
			if d.then != "" && (d.path != "/v1/ws" || outcome == "no right") || d.slow {
				continue // of messages, see TestSessionsAreAudited
			}
			t.Run(outcome+" "+d.name(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o, a := audited(t, options{pipes: newPipes()})
					in := start(t, o)
					status, code := in.try(d, token(t), "")
					time.Sleep(2 * time.Second)
					method, route, _ := strings.Cut(d.route, " ")
					want := map[string]string{"unauthenticated": "unauthenticated", "token_expired": "token_expired", "no right": d.narrower}[outcome]
					if want == "" {
						if status != http.StatusOK {
							t.Errorf("got %d %s", status, code)
						}
						same(t, told(a.events(t)))
						return
					}
					if code != "" && code != want {
						t.Errorf("answered with %s", code)
					}
					action := routeAction[route]
					if method == http.MethodPost && strings.HasSuffix(route, "/records") {
						action = "publish"
					}
					line := fmt.Sprintf("refused code=%s action=%s route=%s address=127.0.0.1 credential=header/bearer count=1", want, action, d.route)
					if outcome == "no right" {
						line += " principal=user:test:u"
					}
					if strings.Contains(route, "{stream}") || strings.Contains(route, "{topic}") && outcome == "no right" {
						line += " stream=orders"
					}
					same(t, told(a.events(t), "code", "action", "route", "address", "credential", "count", "principal", "stream"), line)
				})
			})
		}
	}
}

// TestUsesOfRightsAreAudited: every access of every route that is permitted leaves its
// events, and no others.
func TestUsesOfRightsAreAudited(t *testing.T) {
	t.Parallel()
	for _, d := range accesses() {
		if d.then != "" || strings.HasSuffix(d.route, "/v1/tickets") || strings.HasSuffix(d.route, "/v1/cookie") {
			continue // of messages, or not enabled here
		}
		t.Run(d.name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, a := audited(t, options{pipes: newPipes(), config: showSchema})
				in := start(t, o)
				in.publish("orders", 0, 0, 3)
				long := token(t, "u", "live", time.Hour)
				if (d.method() == http.MethodGet || d.method() == http.MethodHead) && strings.Contains(d.route, "/v1/cursors") || strings.Contains(d.path, "earliest&cursor_name") {
					cursor := in.page("orders", "from=earliest&limit=1", long).Cursor
					in.do(http.MethodPut, "/v1/cursors/orders/n", long, fmt.Sprintf(`{"cursor":%q}`, cursor))
					time.Sleep(time.Second)
				}
				before := len(a.events(t))
				d := d
				if d.method() == http.MethodPut {
					d.body = fmt.Sprintf(`{"cursor":%q}`, in.page("orders", "from=earliest&limit=1", long).Cursor)
					before++
				}
				// A stream ends with its token.
				status, code := in.try(d, token(t, "u", "live", 5*time.Second), "")
				if status >= 300 {
					t.Fatalf("got %d %s", status, code)
				}
				time.Sleep(2 * time.Minute)
				got := told(a.events(t)[before:], "stream", "start", "records", "cursor_name", "reason", "transport", "principal", "address", "credential")
				const who = " principal=user:test:u address=127.0.0.1 credential=header/bearer"
				transport := "sse"
				if len(d.header) > 0 && d.header[0] == "Accept" {
					transport = "ndjson"
				}
				switch _, route, _ := strings.Cut(d.route, " "); {
				case strings.HasSuffix(route, "/events") && d.method() == http.MethodHead, routeAction[route] == "other":
					same(t, got)
				case strings.HasSuffix(route, "/events"):
					same(t, got, "connected transport="+transport+who, "subscribed stream=orders start=latest"+who,
						"disconnected reason=token_expired transport="+transport+who)
				case d.method() == http.MethodPost && strings.Contains(d.body, "},{"):
					same(t, got, "published stream=orders records=2"+who)
				case d.method() == http.MethodPost:
					same(t, got, "published stream=orders records=1"+who)
				case strings.HasSuffix(route, "/records"):
					line := "page_read stream=orders start=last records=3"
					if strings.Contains(d.path, "cursor_name") {
						line = "page_read stream=orders start=named records=2"
					}
					same(t, got, line+who)
				case d.method() == http.MethodPut:
					same(t, got, "cursor_moved stream=orders cursor_name=n"+who)
				case d.method() == http.MethodDelete:
					same(t, got, "cursor_deleted stream=orders cursor_name=n"+who)
				default:
					same(t, got, "cursor_read stream=orders cursor_name=n"+who)
				}
			})
		})
	}
}

// script is what a client does over a WebSocket, and the events that follow.
type script struct {
	query, token string
	header       http.Header
	do           func(t *testing.T, in *instance, s *socket)
	want         []string
}

// TestSessionsAreAudited: what clients do over WebSockets, and how their sessions end.
func TestSessionsAreAudited(t *testing.T) {
	t.Parallel()
	live := token(t, "u", "live", time.Hour)
	const (
		me        = " principal=user:test:u"
		connected = "connected transport=websocket credential=header/bearer" + me
		closed    = "disconnected reason=closed transport=websocket credential=header/bearer" + me
	)
	// The events of a session by a header's token, that the client closes.
	session := func(lines ...string) []string {
		all := []string{connected, closed}
		for _, line := range lines {
			all = append(all, line+" credential=header/bearer"+me)
		}
		return all
	}
	for name, c := range map[string]script{
		"nothing": {token: live, want: session()},
		"by a message": {do: func(_ *testing.T, _ *instance, s *socket) {
			s.send(`{"type":"auth","id":"0","token":"%s"}`, live)
			s.until("welcome")
		}, want: []string{
			"connected transport=websocket credential=message/bearer" + me, "disconnected reason=closed transport=websocket credential=message/bearer" + me,
		}},
		"anonymous": {do: func(_ *testing.T, _ *instance, s *socket) {
			s.send(`{"type":"ping","id":"a"}`)
			s.until("pong")
		}, want: []string{
			"connected transport=websocket principal=anonymous:127.0.0.1", "disconnected reason=closed transport=websocket principal=anonymous:127.0.0.1",
		}},
		"a bad token in a message": {do: func(_ *testing.T, _ *instance, s *socket) {
			s.send(`{"type":"auth","id":"0","token":"a.b.c"}`)
			s.closed()
		}, want: []string{"refused code=unauthenticated action=connect route=GET /v1/ws count=1"}},
		"nonsense before authentication": {do: func(_ *testing.T, _ *instance, s *socket) {
			s.send(`what`)
			s.closed()
		}, want: []string{"refused code=bad_request action=connect route=GET /v1/ws count=1"}},
		"never authenticated": {do: func(_ *testing.T, _ *instance, s *socket) { s.closed() }, want: []string{
			"refused code=auth_timeout action=connect route=GET /v1/ws count=1",
		}},
		"gone before authentication": {do: func(_ *testing.T, _ *instance, s *socket) { _ = s.CloseNow() }, want: nil},
		"a page of another origin": {token: live, header: http.Header{"Origin": {"https://evil.example"}}, do: func(_ *testing.T, _ *instance, s *socket) {
			s.closed()
		}, want: []string{"refused code=forbidden action=connect route=GET /v1/ws count=1 credential=header/bearer" + me}},
		"subscriptions": {token: live, do: func(_ *testing.T, in *instance, s *socket) {
			in.publish("orders", 0, 0, 5)
			s.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
			s.until("subscribed")
			s.send(`{"type":"subscribe","id":"s","subscriptions":[{"id":"b","stream":"orders","key":["x","y"],"from":"earliest"},{"id":"c","stream":"orders","key":["z"],"from":"last:3"}]}`)
			s.until("subscribed")
			s.until("subscribed")
			s.send(`{"type":"subscribe","id":"d","stream":"orders","key":["w"],"from":"-10m"}`)
			s.until("subscribed")
			s.send(`{"type":"unsubscribe","id":"b"}`)
			s.until("unsubscribed")
		}, want: session(
			"subscribed stream=orders start=latest", "subscribed stream=orders keys=2 start=earliest", "replay_started stream=orders keys=2 start=earliest behind=5",
			"subscribed stream=orders keys=1 start=last", "replay_started stream=orders keys=1 start=last last=3",
			"subscribed stream=orders keys=1 start=time", "replay_started stream=orders keys=1 start=time behind=5 back_ms=600000", "unsubscribed stream=orders reason=requested",
		)},
		"in the query": {token: live, query: "?stream=public.news&from=earliest", do: func(_ *testing.T, _ *instance, s *socket) { s.until("subscribed") }, want: session(
			"subscribed stream=public.news start=earliest", "replay_started stream=public.news start=earliest",
		)},
		"a cursor": {token: live, do: func(_ *testing.T, in *instance, s *socket) {
			in.publish("orders", 0, 0, 5)
			s.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
			at := s.until("subscribed").str("cursor")
			s.send(`{"type":"unsubscribe","id":"a"}`)
			s.until("unsubscribed")
			time.Sleep(3 * time.Second)
			s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"%s"}`, at)
			s.until("subscribed")
		}, want: session(
			"subscribed stream=orders start=latest", "unsubscribed stream=orders reason=requested",
			"subscribed stream=orders start=cursor recovered=true", "replay_started stream=orders start=cursor cursor_age_claimed_ms=3000",
		)},
		"what is refused": {token: live, do: func(_ *testing.T, _ *instance, s *socket) {
			for _, text := range []string{
				`{"type":"subscribe","id":"1","stream":"hidden"}`, `{"type":"publish","id":"2","stream":"public.news","data":1}`,
				`{"type":"unsubscribe","id":"3"}`, `{"type":"ack","id":"4","cursor":"v1.x"}`,
				`{"type":"subscribe","id":"5","stream":"orders","from":"v1.x"}`, `{"type":"auth","id":"6","token":"a.b.c"}`,
				`{"type":"what","id":"7"}`,
			} {
				s.send("%s", text)
				s.until("error")
				time.Sleep(2 * time.Second)
			}
		}, want: session(
			"refused stream=hidden code=unknown_stream action=subscribe route=GET /v1/ws count=1",
			"refused stream=public.news code=forbidden action=publish route=GET /v1/ws count=1",
			"refused code=bad_request action=unsubscribe route=GET /v1/ws count=1",
			"refused code=bad_cursor action=cursor route=GET /v1/ws count=1",
			"refused stream=orders code=bad_cursor action=subscribe route=GET /v1/ws count=1",
			"refused code=unauthenticated action=renew route=GET /v1/ws count=1",
			"refused code=bad_request action=other route=GET /v1/ws count=1",
		)},
		"the same refused often": {token: live, do: func(_ *testing.T, _ *instance, s *socket) {
			for range 50 {
				s.send(`{"type":"subscribe","id":"1","stream":"hidden"}`)
				s.until("error")
			}
		}, want: session("refused stream=hidden code=unknown_stream action=subscribe route=GET /v1/ws count=50")},
		"acks": {token: live, do: func(_ *testing.T, in *instance, s *socket) {
			s.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"latest"}`)
			at := s.until("subscribed").str("cursor")
			s.send(`{"type":"ack","id":"a","cursor":"%s"}`, at)
			s.until("acked")
			s.send(`{"type":"ack","id":"b","cursor":"%s"}`, at)
			s.until("error")
			in.store.takeElsewhere()
			in.publish("orders", 0, 0, 1)
			s.until("event")
			s.send(`{"type":"ack","id":"a","cursor":"%s"}`, s.until("cursor").str("cursor"))
			s.until("error")
		}, want: session(
			"subscribed stream=orders start=latest", "refused code=bad_request action=cursor route=GET /v1/ws count=1",
			"refused stream=orders code=superseded action=cursor route=GET /v1/ws count=1", "unsubscribed stream=orders reason=superseded",
		)},
		"records": {token: live, do: func(_ *testing.T, _ *instance, s *socket) {
			for range 10 {
				s.send(`{"type":"publish","id":"p","stream":"orders","records":[{"data":1},{"data":"lie"},{"data":3}]}`)
				s.until("published")
			}
			s.send(`{"type":"publish","id":"p","stream":"orders","data":"lie"}`)
			s.until("error")
		}, want: session("published stream=orders records=20", "refused stream=orders code=invalid action=publish route=GET /v1/ws count=11")},
		"renewal": {token: live, do: func(t *testing.T, _ *instance, s *socket) {
			s.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
			s.until("subscribed")
			s.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "write", time.Hour))
			s.until("unsubscribed")
		}, want: []string{
			connected, "subscribed stream=orders start=latest credential=header/bearer" + me, "renewed credential=message/bearer" + me,
			"unsubscribed stream=orders reason=forbidden credential=message/bearer" + me,
			"disconnected reason=closed transport=websocket credential=message/bearer" + me,
		}},
		"the connection breaks": {token: live, do: func(_ *testing.T, _ *instance, s *socket) { _ = s.CloseNow() }, want: []string{
			connected, "disconnected reason=connection_ended transport=websocket credential=header/bearer" + me,
		}},
		"too many errors": {token: live, do: func(_ *testing.T, _ *instance, s *socket) {
			for range 101 {
				s.send(`{"type":"subscribe","id":"1","stream":"hidden"}`)
			}
			s.closed()
		}, want: []string{
			connected, "refused stream=hidden code=unknown_stream action=subscribe route=GET /v1/ws count=101 credential=header/bearer" + me,
			"disconnected reason=too_many_errors transport=websocket credential=header/bearer" + me,
		}},
		"the instance ends": {token: live, do: func(t *testing.T, in *instance, s *socket) {
			go func() { s.closed() }()
			if err := in.stop(); err != nil {
				t.Error(err)
			}
		}, want: []string{connected, "disconnected reason=draining transport=websocket credential=header/bearer" + me}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, a := audited(t, options{
					pipes:  newPipes(),
					config: func(c *transport.Config) { c.Ingest = ingest.New(c.Hub, nil, []ingest.Step{noLies{}}) },
					limits: func(l *transport.Limits) { l.FirstMessageAuth = patience / 2 }, // before the client gives up
				})
				in := start(t, o)
				header := http.Header{}
				maps.Copy(header, c.header)
				if c.token != "" {
					header.Set("Authorization", "Bearer "+token(t, "u", "live", time.Hour))
				}
				conn, _, err := websocket.Dial(t.Context(), in.url+"/v1/ws"+c.query, &websocket.DialOptions{HTTPHeader: header, HTTPClient: in.client}) //nolint:bodyclose // the library has
				if err != nil {
					t.Fatal(err)
				}
				s := &socket{t: t, Conn: conn}
				if c.token != "" && c.header == nil {
					s.until("welcome")
				}
				if c.do != nil {
					c.do(t, in, s)
				}
				_ = conn.Close(websocket.StatusNormalClosure, "")
				time.Sleep(2 * time.Second)
				events := a.events(t)
				same(t, told(events, "stream", "keys", "start", "last", "behind", "back_ms", "cursor_age_claimed_ms", "recovered", "records", "reason", "code", "action", "route", "transport", "count", "credential", "principal"), c.want...)
				id := ""
				for _, m := range events {
					if m.str("address") != "127.0.0.1" || m.str("session") == "" || id != "" && m.str("session") != id {
						t.Errorf("got %v", m)
					}
					id = m.str("session")
				}
				if len(events) > 0 && c.token != "" && c.header == nil && (events[0].str("msg") != "connected" || events[0].str("expires_at") == "") {
					t.Errorf("the first event is %v", events[0])
				}
				_ = conn.CloseNow()
			})
		})
	}
}

// failingKafka stores nothing, for one reason.
type failingKafka struct {
	*hubtest.Topics
	err error
}

func (k *failingKafka) Produce(_ context.Context, _ string, messages []upstream.Message, done func([]upstream.Stored)) {
	results := make([]upstream.Stored, len(messages))
	for i := range results {
		results[i].Err = k.err
	}
	go done(results)
}

// TestRefusedPublishesAreAudited: whatever the reason, and in whichever form the records
// come, each is counted once.
func TestRefusedPublishesAreAudited(t *testing.T) {
	t.Parallel()
	for code, err := range map[string]error{
		"publish_unavailable": upstream.ErrPublishUnavailable,
		"publish_unknown":     upstream.ErrPublishUnknown,
		"rate_limited":        upstream.ErrPublishOverloaded,
		"record_too_large":    upstream.ErrRecordTooLarge,
		"internal":            errors.New("a fault of the server"),
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, a := audited(t, options{pipes: newPipes(), stream: func(s *hub.Stream) {
					s.Producer = &failingKafka{err: err}
				}})
				in := start(t, o)
				tok := token(t, "w", "write", time.Hour)
				post := func(body string) {
					in.do(http.MethodPost, publishPath, tok, body, "Content-Type", "application/json")
					time.Sleep(2 * time.Second)
				}
				post(`{"data":1}`)
				post(`{"records":[{"data":1},{"data":2},{"data":3}]}`)
				time.Sleep(time.Minute)
				const route = "route=POST /v1/streams/{stream}/records"
				want := []string{
					"refused stream=orders code=" + code + " action=publish " + route + " count=1",
					"refused stream=orders code=" + code + " action=publish " + route + " count=3",
				}
				if code == "publish_unknown" {
					want = append(want, "published stream=orders records=0 unknown=4")
				}
				same(t, told(a.events(t), "stream", "records", "unknown", "code", "action", "route", "count"), want...)
			})
		})
	}
}

// TestRequestsThatReachNoRouteAreAudited: those that are refused before.
func TestRequestsThatReachNoRouteAreAudited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, a := audited(t, options{pipes: newPipes()})
		in := start(t, o)
		live := token(t, "u", "live", time.Hour)
		in.do(http.MethodPost, publishPath, live, `{"data":1}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		time.Sleep(2 * time.Second)
		in.do(http.MethodGet, "/v1//streams?access_token="+live, "", "")
		time.Sleep(2 * time.Second)
		in.do(http.MethodPost, "/v1/tickets", live, "")
		time.Sleep(2 * time.Second)
		in.do(http.MethodGet, "/v1/nowhere", live, "") // not the protocol's
		time.Sleep(2 * time.Second)
		same(t, told(a.events(t), "code", "action", "route"),
			"refused code=forbidden action=other route=POST", "refused code=bad_request action=other route=GET",
			"refused code=bad_request action=other route=POST /v1/tickets")
	})
}

// TestOperatorsAreAudited: requests to the admin listener that can change something are
// recorded; others are not.
func TestOperatorsAreAudited(t *testing.T) {
	t.Parallel()
	o, a := audited(t, options{})
	in := start(t, o)
	in.operator("/streams")
	in.operator("/metrics")
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		req, err := http.NewRequestWithContext(t.Context(), method, in.admin+"/streams", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	a.stop()
	same(t, told(a.events(t), "address", "route", "status"),
		"administered address=127.0.0.1 route=POST status=405", "administered address=127.0.0.1 route=DELETE status=405")
}

// TestRevocationsAreAudited: what operators and issuers revoke is recorded, whatever comes
// of it, with ids of credentials only as they are recorded elsewhere.
func TestRevocationsAreAudited(t *testing.T) {
	t.Parallel()
	store := &fakeStore{}
	o, a := audited(t, options{config: func(c *transport.Config) { c.Auth, c.Revocations = authOf(t), store }})
	in := start(t, o)
	long := strings.Repeat("x", 200)
	sum := sha256.Sum256([]byte(long))
	for _, body := range []string{
		`{"issuer":"test","subject":"u42"}`, `{"token_id":"j1"}`, fmt.Sprintf(`{"session_id":%q}`, long),
		`{"tenant":"acme","before_at":1700000000000}`, `{"subject":"a","token_id":"secret"}`, `damaged`,
	} {
		in.operate(http.MethodPost, "/revocations", body)
	}
	store.fail(errors.New("broken"))
	in.operate(http.MethodPost, "/revocations", `{"subject":"u43"}`)
	in.operate(http.MethodPost, "/revocations", `{"subject":"u44"}`, "Origin", "https://evil.example")
	store.fail(nil)
	for range 2 { // the second is refused as a replay
		in.do(http.MethodPost, "/v1/backchannel-logout", "", url.Values{"logout_token": {logoutToken(t, "l1", nil)}}.Encode(),
			"Content-Type", "application/x-www-form-urlencoded")
	}
	a.stop()
	events := slices.DeleteFunc(a.events(t), func(m message) bool { return m.str("msg") != "administered" })
	same(t, told(events, "address", "route", "status", "revoked", "issuer", "subject", "token_id", "session_id", "tenant"),
		"administered address=127.0.0.1 route=POST /revocations status=200 revoked=subject issuer=test subject=u42",
		"administered address=127.0.0.1 route=POST /revocations status=200 revoked=token token_id=j1",
		"administered address=127.0.0.1 route=POST /revocations status=200 revoked=session session_id=sha256:"+hex.EncodeToString(sum[:16]),
		"administered address=127.0.0.1 route=POST /revocations status=200 revoked=tenant tenant=acme",
		"administered address=127.0.0.1 route=POST /revocations status=400",
		"administered address=127.0.0.1 route=POST /revocations status=400",
		"administered address=127.0.0.1 route=POST /revocations status=500 revoked=subject subject=u43",
		"administered address=127.0.0.1 route=POST /revocations status=403",
		"administered address=127.0.0.1 route=POST /v1/backchannel-logout status=200 revoked=subject issuer=test subject=u42")
	for _, m := range events {
		if at := m.str("before"); m.str("tenant") != "" && at != "2023-11-14T22:13:20Z" || (at != "") != (m.str("subject")+m.str("tenant") != "") {
			t.Errorf("what is revoked ends at %q: %v", at, m)
		}
	}
}

// TestClientsDoNotWriteTheAudit: whatever the grants say, the stream of the audit is the
// server's, and its events are no reason for more of them.
func TestClientsDoNotWriteTheAudit(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders", 1)
	recorder, err := audit.New(audit.Config{
		Stream: "orders", Store: storeOf{topics}, Source: "s", PublishTimeout: time.Second, Queue: 10, QueueBytes: 1 << 20,
		TokenIDs: audit.TokenIDsNone, SumEvery: time.Minute, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	in := start(t, options{config: func(c *transport.Config) { c.Audit = recorder }})
	for scope, want := range map[string]string{"live": "forbidden", "write": "forbidden", "nothing": "unknown_stream"} {
		tok := token(t, "u", scope, time.Hour)
		if _, _, body := in.do(http.MethodPost, publishPath, tok, `{"data":1}`, "Content-Type", "application/json"); codeIn([]byte(body)) != want {
			t.Errorf("%s: got %s", scope, body)
		}
		s := in.dial("", tok)
		s.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
		s.fails("p", want)
	}
	if n := topics.Append("orders", record.Record{}); n != 0 {
		t.Errorf("%d records are stored", n)
	}
}

type storeOf struct{ *hubtest.Topics }

func (s storeOf) Publish(ctx context.Context, _, stream string, messages []upstream.Message, done func([]upstream.Stored)) error {
	s.Produce(ctx, stream, messages, done)
	return nil
}

// TestNoEventHasASecret: a credential, wherever a client sends it, is in no event: not
// one in its place, nor more than 32 characters of one in the place of something else.
func TestNoEventHasASecret(t *testing.T) {
	t.Parallel()
	o, a := audited(t, options{limits: func(l *transport.Limits) { l.ErrorsPerMinute, l.SessionsPerPrincipal = 0, 0 }})
	in := start(t, o)
	// In their place: nothing of any of them.
	credentials := map[string]string{
		"valid": token(t, "u42", "live", time.Hour), "without rights": token(t, "u43", "nothing", time.Hour), "expired": expired(t),
		"forged": token(t, "u42", "live", 2*time.Hour) + "x", "opaque": "opaque-credential-0123456789abcdef",
	}
	for _, credential := range credentials {
		encoded := base64.RawURLEncoding.EncodeToString([]byte(credential))
		for _, path := range []string{"/v1/streams/orders/records", "/v1/events?stream=orders&errors=stream", "/v1/cursors/orders/n", "/v1/streams/public.news", "/v1/ws"} {
			for _, header := range []string{
				"Authorization: Bearer " + credential, "Authorization: ApiKey " + credential, "Authorization: " + credential,
				"Authorization: DPoP " + credential, "DPoP: " + credential, "Cookie: __Host-sluice=" + credential,
				"Cookie: __Host-sluice=" + credential + "\r\nOrigin: https://app.example.com",
				"Sec-WebSocket-Protocol: x, base64url.bearer.authorization." + encoded,
			} {
				if strings.HasSuffix(path, "/v1/ws") {
					header += "\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="
				}
				in.answer(raw("GET", path, "", "", header))
				in.answer(raw("GET", path+"#", "", "", header))
			}
			for _, parameter := range []string{"access_token", "ticket"} {
				sign := "?"
				if strings.Contains(path, "?") {
					sign = "&"
				}
				in.answer(raw("GET", path+sign+parameter+"="+credential, "", ""))
			}
		}
		s := in.dial("", "")
		s.send(`{"type":"auth","id":"0","token":"%s"}`, credential)
		s.next()
		s = in.dial("", credentials["valid"])
		s.until("welcome")
		s.send(`{"type":"auth","id":"r","token":"%s"}`, credential)
		s.next()
	}
	// In the place of something else: no more than may be shown.
	secret := misplacedSecret()
	for _, request := range misplacedRequests(secret.text, credentials["valid"]) {
		in.answer(request)
	}
	s := in.dial("", credentials["valid"])
	s.until("welcome")
	for i, object := range misplacedObjects(secret.text) {
		if rest, ok := strings.CutPrefix(object, "{"); ok {
			s.send(`{"type":%q,%s`, []string{"auth", "subscribe", "unsubscribe", "ack", "publish", "ping"}[i%6], rest)
		}
	}
	s.send(`{"type":"ping","id":"last"}`)
	for s.until("pong").str("id") != "last" {
	}
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	a.stop()
	shown, events := 0, a.events(t)
	for _, m := range events {
		for name, value := range m {
			text := fmt.Sprint(value)
			if part := secret.in(text); part != "" {
				t.Errorf("%s has %s", name, text)
			}
			if strings.Contains(text, secret.text[:16]) {
				shown++
			}
			for which, credential := range credentials {
				encoded := base64.RawURLEncoding.EncodeToString([]byte(credential))
				for _, whole := range []string{credential, encoded} {
					// The header of all these tokens is the same, and known.
					for i := 40; i+12 <= len(whole); i++ {
						if strings.Contains(text, whole[i:i+12]) {
							t.Errorf("%s of %s has a part of the credential that is %s: %s", name, m.str("msg"), which, text)
						}
					}
				}
				if strings.Contains(text, "opaque-credential") {
					t.Errorf("%s of %s has a part of the opaque credential: %s", name, m.str("msg"), text)
				}
			}
		}
	}
	// How many show a part depends on how many refusals of a second are summed up.
	if len(events) < 50 || shown < 1 {
		t.Errorf("%d events, of which %d show a part: this shows nothing", len(events), shown)
	}
}

// TestTokenIDsAreAudited: an event names the token by its id.
func TestTokenIDsAreAudited(t *testing.T) {
	t.Parallel()
	o, a := audited(t, options{config: func(c *transport.Config) {
		var err error
		c.Auth, err = auth.New(auth.Config{
			Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Verifiers: []auth.Verifier{opaque{}},
			Grants:    []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}})
	in := start(t, o)
	in.do(http.MethodGet, "/v1/streams/orders/records", "opaque-1", "")
	a.stop()
	same(t, told(a.events(t), "principal", "issuer", "token_id"), "page_read principal=user:keys:robot issuer=keys token_id=k1")
}
