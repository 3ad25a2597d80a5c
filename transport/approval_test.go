package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub/record"
	"sluice/transport"
	"sluice/transport/wire"
)

// approver answers what is asked about rights.
type approver struct {
	mu     sync.Mutex
	answer func(context.Context, transport.Asked) error
	asked  []string
}

func (a *approver) approve(ctx context.Context, asked transport.Asked) error {
	a.mu.Lock()
	a.asked = append(a.asked, fmt.Sprintf("%s %s %s from=%s keys=%v filter=%s%s", asked.Principal.ID(), asked.Action, asked.Stream, asked.From, asked.Keys, narrowed(asked), cursorIn(asked)))
	answer := a.answer
	a.mu.Unlock()
	return answer(ctx, asked)
}

// cursorIn returns which named cursor a subscription asks for.
func cursorIn(asked transport.Asked) string {
	switch {
	case asked.Reset:
		return " reset=" + asked.CursorName
	case asked.CursorName != "":
		return " name=" + asked.CursorName
	}
	return ""
}

// narrowed returns what else a subscription asks for.
func narrowed(asked transport.Asked) string {
	if len(asked.Headers) > 0 {
		return fmt.Sprint(asked.KeyPrefix, asked.Headers, asked.Filter)
	}
	return asked.KeyPrefix + asked.Filter
}

func (a *approver) says(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = func(context.Context, transport.Asked) error { return err }
}

// taken returns what was asked since the last call.
func (a *approver) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

func (a *approver) options() options {
	return options{config: func(c *transport.Config) { c.Approve = a.approve }}
}

// asksFor returns what an access asks about, "" for nothing.
func (d access) asksFor() string {
	switch {
	case d.method() == http.MethodPost && (strings.HasSuffix(d.route, "/records") || strings.HasSuffix(d.route, "/topics/{topic}")), strings.Contains(d.then, `"publish"`):
		return "publish"
	case strings.Contains(d.route, "/cursors/"), strings.Contains(d.path, "stream=orders"), strings.Contains(d.then, `"subscribe"`),
		strings.HasSuffix(d.route, "/records"), strings.HasSuffix(d.route, "/events"):
		return "subscribe"
	}
	return ""
}

// TestDoorsAskForApproval: every access to a stream asks what the grants allow, and is
// refused unless the answer is yes.
func TestDoorsAskForApproval(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says   error
		status int
		code   string
	}{
		"yes":         {nil, http.StatusOK, ""},
		"no":          {auth.ErrForbidden, http.StatusForbidden, "forbidden"},
		"unavailable": {auth.ErrRightsUnavailable, http.StatusServiceUnavailable, "overloaded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, d := range accesses() {
				if c.says == nil && d.then == "" && (strings.Contains(d.path, "events") || strings.Contains(d.path, "wait=")) && d.method() != http.MethodHead {
					continue // a stream that does not end
				}
				t.Run(d.name(), func(t *testing.T) {
					t.Parallel()
					a := &approver{}
					a.says(c.says)
					inBubble(t, a.options(), func(t *testing.T, in *instance) {
						tok := token(t, "u", "live", time.Hour)
						var status int
						var code string
						if d.then != "" {
							code = in.firstFault(d, tok)
						} else {
							status, code = in.try(d, tok, "")
						}
						asked := a.taken()
						wants := d.asksFor()
						if wants == "" {
							if len(asked) > 0 {
								t.Errorf("asked was %q", asked)
							}
							return
						}
						if len(asked) == 0 || !strings.HasPrefix(asked[0], "u "+wants+" orders ") {
							t.Errorf("asked was %q", asked)
						}
						switch {
						case c.says == nil && (code == "forbidden" || code == "overloaded"):
							t.Errorf("an approved access: %d, %q", status, code)
						case c.says != nil && d.then != "":
							if code != c.code {
								t.Errorf("got code %q, want %q", code, c.code)
							}
						case c.says != nil:
							d.told(t, status, code, c.status, c.code)
						}
						if c.says != nil && (in.topics.Append("orders", record.Record{}) > 0 || in.storedAt("n") != -1) {
							t.Error("something was stored")
						}
					})
				})
			}
		})
	}
}

// firstFault uses an access over a WebSocket, and returns the code of the first fault
// before the answer to a later ping.
func (in *instance) firstFault(d access, tok string) (code string) {
	in.t.Helper()
	s := in.openWith(d.path, http.Header{"Authorization": {"Bearer " + tok}})
	s.until("welcome")
	s.send("%s", d.then)
	s.send(`{"type":"ping","id":"last"}`)
	for {
		m := s.next()
		if code == "" {
			code = m.str("code") + m.str("reason")
		}
		if m.str("type") == "pong" && m.str("id") == "last" {
			return code
		}
	}
}

// TestApprovalIsAskedAfterTheRights: a stream that a principal may not see is never
// asked about.
func TestApprovalIsAskedAfterTheRights(t *testing.T) {
	t.Parallel()
	eachDoor(t, func() options { a := &approver{}; a.answer = nil; return a.options() }, func(t *testing.T, in *instance, d access) {
		if d.then != "" || d.asksFor() == "" {
			return
		}
		// A call of the approver would panic.
		status, code := in.try(d, token(t, "u", "nothing", time.Hour), "")
		d.told(t, status, code, http.StatusNotFound, "unknown_stream")
	})
}

// TestApprovalEndsWithTheToken: a question without an answer ends with the token, and
// keeps nobody else waiting.
func TestApprovalEndsWithTheToken(t *testing.T) {
	t.Parallel()
	for _, d := range accesses() {
		if d.asksFor() == "" {
			continue
		}
		t.Run(d.name(), func(t *testing.T) {
			t.Parallel()
			a := &approver{answer: func(ctx context.Context, asked transport.Asked) error {
				if asked.Principal.ID() != "slow" {
					return nil
				}
				<-ctx.Done()
				return auth.ErrRightsUnavailable
			}}
			inBubble(t, a.options(), func(t *testing.T, in *instance) {
				short := token(t, "slow", "live", 5*time.Second)
				time.Sleep(4 * time.Second)
				began := time.Now()
				var slow sync.WaitGroup
				slow.Go(func() {
					status, code := in.try(d, short, "")
					d.told(t, status, code, http.StatusUnauthorized, "token_expired")
					if took := time.Since(began); took > 3*time.Second {
						t.Errorf("it took %v, and the token ended after 1s", took)
					}
				})
				synctest.Wait()
				other := in.dial("?stream=orders", token(t, "other", "live", time.Hour))
				other.until("subscribed")
				in.publish("orders", 0, 0, 1)
				other.until("event")
				if took := time.Since(began); took > 500*time.Millisecond {
					t.Errorf("another session waited for %v", took)
				}
				slow.Wait()
			})
		})
	}
}

// TestRenewalAsksAgain: a renewal asks about each subscription as it was asked for.
// What is refused ends; without an answer the renewal fails, and nothing changes.
func TestRenewalAsksAgain(t *testing.T) {
	t.Parallel()
	a := &approver{}
	a.says(nil)
	inBubble(t, a.options(), func(t *testing.T, in *instance) {
		s := in.dial("", token(t, "u", "live", time.Hour))
		s.send(`{"type":"subscribe","id":"all","stream":"orders","from":"last:5"}`)
		s.until("subscribed")
		s.send(`{"type":"subscribe","id":"some","stream":"orders","key":["k1"]}`)
		s.until("subscribed")
		s.send(`{"type":"subscribe","id":"news","stream":"public.news"}`)
		s.until("subscribed")
		begun := a.taken()
		if want := []string{
			"u subscribe orders from=last:5 keys=[] filter=", "u subscribe orders from=latest keys=[k1] filter=", "u subscribe public.news from=latest keys=[] filter=",
		}; !slices.Equal(begun, want) {
			t.Fatalf("asked was %q", begun)
		}

		a.says(auth.ErrRightsUnavailable)
		s.send(`{"type":"auth","id":"r1","token":"%s"}`, token(t, "u", "live", time.Hour))
		s.fails("r1", "overloaded")
		in.publish("orders", 0, 0, 1)
		s.until("event")
		a.taken()

		a.mu.Lock()
		a.answer = func(_ context.Context, asked transport.Asked) error {
			if len(asked.Keys) > 0 {
				return auth.ErrForbidden
			}
			return nil
		}
		a.mu.Unlock()
		s.send(`{"type":"auth","id":"r2","token":"%s"}`, token(t, "u", "live", time.Hour))
		s.until("authenticated")
		if m := s.until("unsubscribed"); m.str("id") != "some" || m.str("reason") != "forbidden" {
			t.Errorf("got %v", m)
		}
		if again := a.taken(); !slices.Equal(again, begun) {
			t.Errorf("asked was %q", again)
		}
		s.send(`{"type":"unsubscribe","id":"all"}`)
		if m := s.until("unsubscribed"); m.str("id") != "all" || m.str("reason") != "requested" {
			t.Errorf("got %v", m)
		}
		// A renewal without the right ends the subscription without a question.
		s.send(`{"type":"subscribe","id":"last","stream":"orders"}`)
		s.until("subscribed")
		a.taken()
		s.send(`{"type":"auth","id":"r3","token":"%s"}`, token(t, "u", "nothing", time.Hour))
		if m := s.until("unsubscribed"); m.str("id") != "last" {
			t.Errorf("got %v", m)
		}
		if again := a.taken(); !slices.Equal(again, []string{"u subscribe public.news from=latest keys=[] filter="}) {
			t.Errorf("asked was %q", again)
		}
	})
}

// TestApprovalOfPatterns: a stream that is refused is left out of a pattern, leaves it at
// a renewal, and joins it again when it is allowed.
func TestApprovalOfPatterns(t *testing.T) {
	t.Parallel()
	a := &approver{}
	refusing := func(names ...string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.answer = func(_ context.Context, asked transport.Asked) error {
			if slices.Contains(names, asked.Stream) {
				return auth.ErrForbidden
			}
			return nil
		}
	}
	inBubble(t, a.options(), func(t *testing.T, in *instance) {
		tok := token(t, "u", "live", time.Hour)
		refusing("public.news")
		s := in.dial("", tok)
		s.send(`{"type":"subscribe","id":"p","stream":"*"}`)
		if m := s.until("subscribed"); fmt.Sprint(m["streams"]) != "[orders]" {
			t.Errorf("got %v", m)
		}
		refusing("public.news", "orders")
		s.send(`{"type":"auth","id":"r1","token":"%s"}`, tok)
		if m := s.until("streams"); fmt.Sprint(m["added"], m["removed"]) != "[] [orders]" {
			t.Errorf("got %v", m)
		}
		in.publish("orders", 0, 0, 1)
		refusing()
		s.send(`{"type":"auth","id":"r2","token":"%s"}`, tok)
		for joined, renewed := false, false; !joined || !renewed; {
			m := s.next()
			joined = joined || strings.Contains(fmt.Sprint(m["added"]), "orders")
			renewed = renewed || m.str("type") == "authenticated" && m.str("id") == "r2"
			if !joined && m.str("type") == "event" {
				t.Errorf("got %v", m)
			}
		}

		a.says(auth.ErrRightsUnavailable)
		s.send(`{"type":"subscribe","id":"q","stream":"*","key":["k"]}`)
		s.fails("q", "overloaded")
	})
}

// TestApprovedPagesAreNotForCaches: a cache would answer without asking.
func TestApprovedPagesAreNotForCaches(t *testing.T) {
	t.Parallel()
	for _, asks := range []bool{false, true} {
		a := &approver{}
		a.says(nil)
		o := options{limits: func(l *transport.Limits) { l.PageCache = time.Minute }}
		if asks {
			o.config = a.options().config
		}
		inBubble(t, o, func(t *testing.T, in *instance) {
			in.publish("public.news", 0, 0, 5)
			in.publish("public.news", 1, 0, 5)
			_, head, body := in.do(http.MethodGet, "/v1/streams/public.news/records?from=offset:0:0,1:0&limit=2", "", "")
			if cached := strings.Contains(head.Get("Cache-Control"), "public"); cached == asks {
				t.Errorf("asked: %v, and the header has %q: %s", asks, head.Get("Cache-Control"), body)
			}
		})
	}
}

// TestWhatASubscriptionAsksFor: the start, in the form of the protocol, whatever it is and
// also where the client leaves it out, and any cursor as such.
func TestWhatASubscriptionAsksFor(t *testing.T) {
	t.Parallel()
	a := &approver{}
	a.says(nil)
	o := a.options()
	o.limits = func(l *transport.Limits) { l.SessionsPerPrincipal = 0 }
	inBubble(t, o, func(t *testing.T, in *instance) {
		tok := token(t, "u", "live", time.Hour)
		_, _, body := in.do(http.MethodGet, "/v1/streams/orders/records", tok, "")
		cursor := strings.Split(strings.SplitAfter(body, `"cursor":"`)[1], `"`)[0]
		other := record.Cursor{At: time.Now(), Streams: []record.StreamPosition{{Stream: "public.news"}}}.String()
		a.taken()
		told := make(map[wire.StartKind]bool)
		for query, want := range map[string]string{
			"":                                    "last:100",
			"from=latest":                         "latest",
			"from=earliest":                       "earliest",
			"from=last:7":                         "last:7",
			"from=-90s":                           "-1m30s",
			"from=2026-01-02T03:04:05%2B01:00":    "2026-01-02T02:04:05Z",
			"from=offset:1:0,0:0":                 "offset:0:0,1:0",
			"from=" + cursor:                      "cursor",
			"from=earliest&cursor_name=n":         "earliest keys=[] filter= name=n",
			"from=earliest&cursor_name=n&reset=1": "earliest keys=[] filter= reset=n",
			"cursor_name=n":                       " keys=[] filter= name=n",
			"cursor_name=n&reset=1":               "latest keys=[] filter= reset=n",
		} {
			q, fault := wire.ParseQuery(query, wire.EndpointRecords, "")
			if fault != nil {
				t.Fatal(fault)
			}
			told[q.From.Kind] = true
			if !strings.Contains(want, " ") {
				want += " keys=[] filter="
			}
			want = "u subscribe orders from=" + want
			for _, door := range []string{"/v1/streams/orders/records?", "/v1/streams/orders/events?", "/v1/events?stream=orders&", "/v1/ws?stream=orders&", "pattern", "message"} {
				want := want
				var code string
				switch {
				case door == "message":
					if query == "" || strings.Contains(query, "reset") || strings.Contains(query, "%") {
						continue
					}
					code = in.firstFault(access{path: "/v1/ws", then: `{"type":"subscribe","id":"a","stream":"orders","` + strings.NewReplacer("=", `":"`, "&", `","`).Replace(query) + `"}`}, tok)
				case door == "pattern":
					if q.From.Kind == wire.StartOffset || q.From.Kind == wire.StartUnset && q.CursorName != "" {
						continue // refused
					}
					s := in.reads("/v1/events?stream=ord*&"+query, tok)
					s.next()
				case strings.Contains(door, "ws"):
					code = in.firstFault(access{path: door + query, then: `{"type":"pong"}`}, tok)
				case strings.Contains(door, "events"):
					_, _, _ = in.do(http.MethodHead, door+query, tok, "")
				default:
					_, _, _ = in.do(http.MethodGet, door+query, tok, "")
				}
				if door != "/v1/streams/orders/records?" {
					want = strings.Replace(want, "last:100", "latest", 1)
				}
				want = strings.Replace(want, "from=latest keys=[] filter= reset", "from="+unsetAt(door)+" keys=[] filter= reset", 1)
				if asked := a.taken(); len(asked) != 1 || asked[0] != want {
					t.Errorf("%s%s: asked was %q, want %q; %s", door, query, asked, want, code)
				}
			}
		}
		for _, kind := range wire.StartKinds() {
			if !told[kind] {
				t.Errorf("a start of the kind %d is not tried", kind)
			}
		}
		in.do(http.MethodGet, "/v1/streams/orders/records?key=a&key=b", tok, "")
		in.do(http.MethodGet, "/v1/streams/orders/records?key_prefix=eu-&header.a=b&header.c=d", tok, "")
		if asked := a.taken(); !slices.Equal(asked, []string{
			"u subscribe orders from=last:100 keys=[a b] filter=", "u subscribe orders from=last:100 keys=[] filter=eu-[[a b] [c d]]",
		}) {
			t.Errorf("with keys, a prefix and headers: asked was %q", asked)
		}
		for _, query := range []string{"key=%ff", "key=a&key=%fe", "header.a=%ff"} {
			if status, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?"+query, tok, ""); status != http.StatusBadRequest || len(a.taken()) > 0 {
				t.Errorf("%s, which a question cannot have: got %d %s", query, status, body)
			}
		}
		in.do(http.MethodHead, "/v1/streams/orders/events?from=earliest", tok, "", "Last-Event-ID", cursor)
		in.do(http.MethodHead, "/v1/streams/orders/events?from=earliest", tok, "", "Last-Event-ID", other)
		if asked := a.taken(); !slices.Equal(asked, []string{"u subscribe orders from=cursor keys=[] filter=", "u subscribe orders from=earliest keys=[] filter="}) {
			t.Errorf("with Last-Event-ID, and with that of another stream: asked was %q", asked)
		}
		in.do(http.MethodPut, "/v1/cursors/orders/n?reset=true", tok, `{"cursor":"`+cursor+`"}`)
		in.do(http.MethodGet, "/v1/cursors/orders/n", tok, "")
		if asked := a.taken(); !slices.Equal(asked, []string{"u subscribe orders from=cursor keys=[] filter= reset=n", "u subscribe orders from=cursor keys=[] filter= name=n"}) {
			t.Errorf("with a named cursor itself: asked was %q", asked)
		}
	})
}

// unsetAt is the start of requests that name none.
func unsetAt(door string) string {
	if door == "/v1/streams/orders/records?" {
		return "last:100"
	}
	return "latest"
}

// TestReapprove: all subscriptions are asked about again; those that are refused end, also
// members of a pattern, and those for which there is no answer go on.
func TestReapprove(t *testing.T) {
	t.Parallel()
	a := &approver{}
	a.says(nil)
	inBubble(t, a.options(), func(t *testing.T, in *instance) {
		s := in.dial("", token(t, "u", "live", time.Hour))
		s.until("welcome")
		s.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
		s.until("caught_up")
		s.send(`{"type":"subscribe","id":"p","stream":"public.*"}`)
		s.until("caught_up")
		a.taken()
		a.says(auth.ErrRightsUnavailable)
		in.server.Reapprove()
		synctest.Wait()
		if asked := a.taken(); len(asked) == 0 {
			t.Error("nothing was asked")
		}
		a.says(nil)
		in.server.Reapprove()
		synctest.Wait()
		if asked := a.taken(); len(asked) != 2 {
			t.Errorf("asked was %q", asked)
		}
		s.alive()
		in.publish("orders", 0, 0, 1)
		s.until("event")
		a.says(auth.ErrForbidden)
		in.server.Reapprove()
		if m := s.until("streams"); texts(m["removed"]) != "public.news" {
			t.Errorf("got %v", m)
		}
		if m := s.until("unsubscribed"); m.str("id") != "a" || m.str("reason") != "forbidden" {
			t.Errorf("got %v", m)
		}
		s.alive()
	})
}

// shower is a Verifier that remembers what it was shown.
type shower struct {
	mu    sync.Mutex
	shown []auth.Credential
}

func (s *shower) Verify(_ context.Context, c auth.Credential) (*auth.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, c)
	return &auth.Identity{Issuer: "shower", Subject: "u", ExpiresAt: time.Now().Add(time.Hour)}, nil
}

// TestHeadersArePassedOn: those of the configuration, with the credential of the
// request, of the first message and of a renewal.
func TestHeadersArePassedOn(t *testing.T) {
	t.Parallel()
	v := &shower{}
	o := options{config: func(c *transport.Config) {
		c.Credentials.PassOn = []string{"X-Tenant", "X-Absent"}
		made, err := auth.New(auth.Config{Fallback: v, Grants: []auth.Grant{{Subscribe: []string{"*"}}}})
		if err != nil {
			t.Fatal(err)
		}
		c.Auth = made
	}}
	inBubble(t, o, func(t *testing.T, in *instance) {
		in.do(http.MethodGet, "/v1/streams", "t0", "", "X-Tenant", "a", "X-Other", "b")
		s := in.openWith("/v1/ws", http.Header{"X-Tenant": {"c", "d"}, "X-Other": {"b"}})
		s.send(`{"type":"auth","id":"0","token":"t1"}`)
		s.until("welcome")
		s.send(`{"type":"auth","id":"1","token":"t2"}`)
		s.until("authenticated")
		for i, want := range []string{"map[X-Tenant:[a]]", "map[X-Tenant:[c d]]", "map[X-Tenant:[c d]]"} {
			if got := fmt.Sprint(v.shown[i].Proof.Headers); got != want || v.shown[i].Token.Reveal() != fmt.Sprint("t", i) {
				t.Errorf("credential %d has %s, want %s", i, got, want)
			}
		}
	})
}

// openWith opens a WebSocket with headers.
func (in *instance) openWith(path string, header http.Header) *socket {
	in.t.Helper()
	c, res, err := in.handshake(path, header) //nolint:bodyclose // the library has
	if err != nil {
		in.t.Fatalf("%v: %v", err, res)
	}
	return &socket{t: in.t, Conn: c}
}

// handshake asks for a WebSocket with headers.
func (in *instance) handshake(path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	in.t.Helper()
	c, res, err := websocket.Dial(in.t.Context(), in.url+path, &websocket.DialOptions{HTTPHeader: header, HTTPClient: in.client})
	if err == nil {
		c.SetReadLimit(-1)
		in.t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, res, err
}
