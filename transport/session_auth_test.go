package transport_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/transport"
)

const listed = "https://app.example.com"

// expired returns a token that is valid except for its expiry.
func expired(t testing.TB) string {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "test", "aud": "sluice", "sub": "u", "scope": "live", "iat": at.Unix(), "exp": at.Add(time.Minute).Unix(),
	}).SignedString([]byte(secret.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFirstMessageAuthenticates(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	c := in.dial("", "")
	c.send(`{"type":"auth","id":"0","token":"%s"}`, token(t, "u42", "live", time.Hour))
	c.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	if m := c.next(); m.str("type") != "welcome" || m.str("principal") != "u42" || m["expires_in_ms"] == nil {
		t.Fatalf("got %v", m)
	}
	if m := c.next(); m.str("type") != "subscribed" {
		t.Fatalf("got %v", m)
	}
	// A client without a credential is anonymous.
	c = in.dial("", "")
	c.send(`{"type":"subscribe","id":"a","stream":"public.news"}`)
	if m := c.next(); m.str("type") != "welcome" || m["principal"] != nil || m["expires_at"] != nil {
		t.Fatalf("got %v", m)
	}
	if m := c.next(); m.str("type") != "subscribed" {
		t.Fatalf("got %v", m)
	}
	c.send(`{"type":"subscribe","id":"b","stream":"orders"}`)
	c.fails("b", "unknown_stream")
	c.send(`{"type":"subscribe","id":"b","stream":"public.news","key":["k"],"cursor_name":"n","from":"latest"}`)
	c.fails("b", "forbidden")
	c.send(`{"type":"publish","id":"p","stream":"public.news","data":1}`)
	c.fails("p", "forbidden")
}

func TestFirstMessageFaults(t *testing.T) {
	t.Parallel()
	// closed configures a server that accepts only clients with a credential, sent
	// within a limit.
	closed := func(limit time.Duration) options {
		return options{config: func(c *transport.Config) {
			var err error
			c.Auth, err = auth.New(auth.Config{
				Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
				Grants:  []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			c.Limits.FirstMessageAuth = limit
		}}
	}
	patient, hasty := start(t, closed(patience)), start(t, closed(200*time.Millisecond))
	for name, c := range map[string]struct {
		first, code string
		close       int
	}{
		"nothing":      {"", "auth_timeout", 4502},
		"subscribe":    {`{"type":"subscribe","id":"a","stream":"orders"}`, "unauthenticated", 4501},
		"ping":         {`{"type":"ping"}`, "unauthenticated", 4501},
		"no JSON":      {`{"type":`, "bad_request", 4500},
		"a bad token":  {`{"type":"auth","id":"0","token":"a.b.c"}`, "unauthenticated", 4501},
		"an old token": {`{"type":"auth","id":"0","token":"` + expired(t) + `"}`, "token_expired", 4201},
		"no token":     {`{"type":"auth","id":"0"}`, "bad_request", 4500},
		"empty":        {` `, "bad_request", 4500},
	} {
		in := patient
		if c.first == "" {
			in = hasty
		}
		s := in.dial("", "")
		if c.first != "" {
			s.send("%s", c.first)
		}
		if strings.Contains(c.first, `"id":"0","token":`) {
			s.fails("0", c.code)
		}
		if last := s.closesWith(c.code, c.close); last["cursors"] != nil {
			t.Errorf("%s: got %v", name, last)
		}
	}
}

// handshakeFault is a handshake that is refused by its status or, if it has an
// Origin, accepted and closed with the code.
type handshakeFault struct {
	query  string
	header []string
	status int
	code   string
	close  int
}

func TestBadCredentialsInTheHandshake(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	good := "Bearer " + token(t, "u", "live", time.Hour)
	inProtocol := "sluice.v1.json, base64url.bearer.authorization." + base64.RawURLEncoding.EncodeToString([]byte(good[7:]))
	for name, c := range map[string]handshakeFault{
		"garbage":           {"", []string{"Authorization", "Bearer a.b.c"}, 401, "unauthenticated", 4501},
		"no token":          {"", []string{"Authorization", "Bearer "}, 401, "unauthenticated", 4501},
		"expired":           {"", []string{"Authorization", "Bearer " + expired(t)}, 401, "token_expired", 4201},
		"two headers":       {"", []string{"Authorization", good, "Authorization", good}, 400, "bad_request", 4500},
		"header, protocol":  {"", []string{"Authorization", good, "Sec-WebSocket-Protocol", inProtocol}, 400, "bad_request", 4500},
		"header, query":     {"?access_token=x", []string{"Authorization", good}, 400, "bad_request", 4500},
		"query":             {"?access_token=" + good[7:], nil, 400, "bad_request", 4500},
		"ticket":            {"?ticket=x", nil, 400, "bad_request", 4500},
		"API key":           {"", []string{"Authorization", "ApiKey x"}, 400, "bad_request", 4500},
		"query unknown":     {"?streams=orders", []string{"Authorization", good}, 400, "bad_request", 4500},
		"query not now":     {"?stream=orders&message_id=x", []string{"Authorization", good}, 400, "bad_request", 4500},
		"two streams":       {"?stream=orders&stream=b", []string{"Authorization", good}, 400, "bad_request", 4500},
		"from, no stream":   {"?from=latest", []string{"Authorization", good}, 400, "bad_request", 4500},
		"ping out of range": {"?ping=1ms", []string{"Authorization", good}, 400, "bad_request", 4500},
	} {
		_, res, err := in.dialWith(c.query, c.header...)
		if err == nil || res.status != c.status {
			t.Errorf("%s: got %v, %v", name, res, err)
			continue
		}
		var problem message
		if json.Unmarshal([]byte(res.body), &problem) != nil || problem.str("code") != c.code || res.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %s", name, res.body)
		}
		if c.status == http.StatusUnauthorized && res.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %v", name, res.header)
		}
		s, _, err := in.dialWith(c.query, append(c.header, "Origin", listed)...)
		if err != nil {
			t.Errorf("%s with an origin: %v", name, err)
			continue
		}
		s.closesWith(c.code, c.close)
	}
	s, _, err := in.dialWith("", "Sec-WebSocket-Protocol", inProtocol, "Origin", listed)
	if err != nil {
		t.Fatal(err)
	}
	if m := s.next(); m.str("principal") != "u" {
		t.Errorf("got %v", m)
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	good := token(t, "u", "live", time.Hour)
	bearer, cookie := "Bearer "+good, auth.CookieName+"="+good
	for _, origin := range []string{
		"null", "https://app.example.com.evil.org", "https://xapp.example.com", "http://app.example.com", "https://app.example.com:8443",
		"https://APP.example.com", "https://app.example.com/", "https://app.example.com@evil.org", in.url + "0", "https" + in.url[4:],
	} {
		for _, credential := range [][]string{{"Authorization", bearer}, {"Cookie", cookie}, nil} {
			c, res := in.open(t, handshakeOf("", append(credential, "Origin", origin)...), false)
			if c.status != http.StatusSwitchingProtocols {
				t.Errorf("%s: got status %d: %s", origin, c.status, res.body)
				continue
			}
			// What the client sends is not processed.
			_, _ = c.Write(frame(fin|text, `{"type":"publish","id":"p","stream":"orders","data":1}`))
			if code := c.closesAfter("forbidden"); code != 4503 {
				t.Errorf("%s: closed with %d", origin, code)
			}
		}
	}
	if n := in.sample(`sluice_publishes_total{result="stored"}`); n != 0 {
		t.Errorf("%v records were stored", n)
	}
	for _, origin := range []string{listed, in.url} {
		s, _, err := in.dialWith("", "Authorization", bearer, "Origin", origin)
		if err != nil {
			t.Fatal(err)
		}
		s.until("welcome")
	}
	s, _, err := in.dialWith("", "Cookie", cookie, "Origin", listed)
	if err != nil {
		t.Fatal(err)
	}
	if m := s.until("welcome"); m.str("principal") != "u" {
		t.Errorf("got %v", m)
	}
	if _, res, err := in.dialWith("", "Cookie", cookie); err == nil || res.status != http.StatusForbidden {
		t.Errorf("a cookie without an origin: %v, %v", res, err)
	}
}

// TestTokenExpiresInMidStream: a token that expires ends the session, and nothing is
// accepted from a client that ignores it.
func TestTokenExpiresInMidStream(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	const life = 4 * time.Second
	short := token(t, "u", "live", life)
	begun := time.Now()
	c := in.dial("", short)
	deaf := in.raw(t, "", short)
	c.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	// The two messages come in any order.
	for expiring, caughtUp := false, false; !expiring || !caughtUp; {
		switch m := c.next(); m.str("type") {
		case "caught_up":
			caughtUp = true
		case "token_expiring":
			expiring = true
			if m["expires_in_ms"].(float64) > float64(life.Milliseconds())/5 {
				t.Errorf("got %v", m)
			}
		}
	}
	in.publish("orders", 0, 0, 3)
	last := c.closesWith("token_expired", 4201)
	if took := time.Since(begun); took > life+patience {
		t.Errorf("it took %v", took)
	}
	if cursors, ok := last["cursors"].(map[string]any); !ok || cursors["a"] == "" || last.str("action") != "reauthenticate" {
		t.Errorf("got %v", last)
	}
	if code := func() int {
		for {
			m, code, err := deaf.next()
			if err != nil {
				t.Fatal(err)
			}
			if m == nil {
				return code
			}
		}
	}(); code != 4201 {
		t.Fatalf("closed with %d", code)
	}
	closed := time.Now()
	for {
		if _, err := deaf.Write(frame(fin|text, `{"type":"publish","id":"p","stream":"orders","data":1}`)); err != nil {
			break
		}
		if time.Since(closed) > patience {
			t.Fatal("the connection lives on")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := in.sample(`sluice_publishes_total{result="stored"}`); n != 0 {
		t.Errorf("%v records were stored", n)
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, testRenewal)
}

func testRenewal(t *testing.T, in *instance) {
	c := in.dial("", token(t, "u", "live", 2*time.Second))
	c.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	c.until("caught_up")
	for id, bad := range map[string][2]string{
		"r1": {token(t, "another", "live", time.Hour), "forbidden"},
		"r2": {"a.b.c", "unauthenticated"},
		"r3": {expired(t), "token_expired"},
	} {
		c.send(`{"type":"auth","id":"%s","token":"%s"}`, id, bad[0])
		c.fails(id, bad[1])
	}
	c.send(`{"type":"auth","id":"r4","token":"%s"}`, token(t, "u", "live", time.Hour))
	if m := c.until("authenticated"); m.str("id") != "r4" || m["expires_in_ms"].(float64) < 3e6 {
		t.Errorf("got %v", m)
	}
	time.Sleep(2200 * time.Millisecond) // past the expiry of the first token
	in.publish("orders", 0, 0, 1)
	c.until("event")
	c.send(`{"type":"auth","id":"r5","token":"%s"}`, token(t, "u", "write", time.Hour))
	c.until("authenticated")
	if m := c.until("unsubscribed"); m.str("id") != "a" || m.str("reason") != "forbidden" || m["retryable"] != false || m.str("cursor") == "" {
		t.Errorf("got %v", m)
	}
	in.publish("orders", 0, 1, 5)
	c.quiet("event", 100*time.Millisecond)
	c.send(`{"type":"subscribe","id":"a","stream":"orders"}`)
	c.fails("a", "forbidden")
	c.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	c.until("published")
	c.send(`{"type":"auth","id":"r6","token":"%s"}`, token(t, "u", "nothing", time.Hour))
	c.until("authenticated")
	c.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	c.fails("p", "unknown_stream")
	// An anonymous client has no token to renew.
	c = in.dial("", "")
	c.send(`{"type":"ping"}`)
	c.until("pong")
	c.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "live", time.Hour))
	c.fails("r", "forbidden")
	c.alive()
}

// TestRenewalBoundsAReplay: a renewal with a narrower replay right bounds a replay
// in progress: the records further back are reported as withheld, and none of them
// is delivered.
func TestRenewalBoundsAReplay(t *testing.T) {
	t.Parallel()
	const old, young = 20_000, 100
	inBubble(t, options{
		stream: func(s *hub.Stream) { s.LogBytes, s.Backfill = 32<<10, 0 },
	}, func(t *testing.T, in *instance) {
		for n := range old + young {
			if n == old {
				time.Sleep(time.Hour)
			}
			in.topics.Append("orders", record.Record{Value: hubtest.Value(0, n), Timestamp: time.Now().UnixMilli()})
		}
		for _, from := range []string{"earliest", record.Cursor{Streams: []record.StreamPosition{{Stream: "orders"}}}.String()} {
			c := in.raw(t, "", token(t, "u", "live", time.Hour))
			pipe, _ := c.Conn.(*nearEnd)
			// The client's full buffer delays the replay.
			pipe.fill(64 << 10)
			c.say(`{"type":"subscribe","id":"a","stream":"orders","from":"%s"}`, from)
			c.until("event")
			c.say(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "brief", time.Hour))
			c.until("authenticated")
			gap := c.until("gap")
			if gap.str("reason") != "policy" || gap["to"] != float64(old) || gap["from"].(float64) >= old {
				t.Fatalf("got %v", gap)
			}
			if m := c.until("event"); m["offset"] != float64(old) {
				t.Errorf("got %v", m)
			}
			// A new subscription is bounded alike, and a wider right later restores
			// nothing that was withheld.
			c.say(`{"type":"unsubscribe","id":"a"}`)
			c.until("unsubscribed")
			c.say(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"}`)
			if gap := c.until("gap"); gap["to"] != float64(old) {
				t.Errorf("got %v", gap)
			}
			_ = c.Close()
		}
	})
}
