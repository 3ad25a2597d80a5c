package transport_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport"
)

// access is a way to ask the server for something: a request, or a message on a
// WebSocket.
type access struct {
	// route is the pattern that serves it.
	route string
	// path and body are those of the request; a slow body is sent in two parts, two
	// seconds apart.
	path, body string
	slow       bool
	header     []string
	// then is a message on the WebSocket that was opened.
	then string
	// instant is set if nothing can delay the answer.
	instant bool
	// narrower is the code after the rights have been withdrawn, "" for none.
	narrower string
}

const proxyRoute = "POST /kafka/v3/clusters/{cluster}/topics/{topic}/records"

// accesses returns all accesses.
func accesses() []access {
	const put = `{"cursor":"%s"}`
	all := []access{
		{route: "GET /v1/principal", path: "/v1/principal", instant: true},
		{route: "GET /v1/streams", path: "/v1/streams", instant: true},
		{route: "GET /v1/streams/{stream}", path: "/v1/streams/orders", narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/schema", path: "/v1/streams/orders/schema", instant: true, narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/records", path: "/v1/streams/orders/records?wait=30s", narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/records", path: "/v1/streams/orders/records?from=earliest&cursor_name=n", narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/events", path: "/v1/streams/orders/events", narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/events", path: "/v1/streams/orders/events?errors=stream", narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/events", path: "/v1/streams/orders/events?cursor_name=n&from=latest", narrower: "unknown_stream"},
		{route: "GET /v1/streams/{stream}/events", path: "/v1/streams/orders/events", header: []string{"Accept", "application/x-ndjson"}, narrower: "unknown_stream"},
		{route: "GET /v1/events", path: "/v1/events?stream=orders", narrower: "unknown_stream"},
		{route: "POST /v1/streams/{stream}/records", path: "/v1/streams/orders/records", body: `{"data":1}`, header: []string{"Content-Type", "application/json"}, narrower: "unknown_stream"},
		{route: "POST /v1/streams/{stream}/records", path: "/v1/streams/orders/records", body: `{"data":1}`, slow: true, narrower: "unknown_stream"},
		{route: "POST /v1/streams/{stream}/records", path: "/v1/streams/orders/records", body: `{"records":[{"data":1},{"data":2}]}`, header: []string{"Content-Type", "application/json"}, narrower: "unknown_stream"},
		{route: "POST /v1/streams/{stream}/records", path: "/v1/streams/orders/records", body: `{"data":1}`, header: []string{"Content-Type", "application/x-ndjson"}, narrower: "unknown_stream"},
		{route: "POST /v1/streams/{stream}/records", path: "/v1/streams/orders/records", body: `{"data":1}` + "\n", slow: true, header: []string{"Content-Type", "application/x-ndjson"}, narrower: "unknown_stream"},
		{route: "POST /topics/{topic}", path: "/topics/orders", body: `{"records":[{"value":1}]}`, header: []string{"Content-Type", "application/vnd.kafka.json.v2+json"}, narrower: "unknown_stream"},
		{route: "POST /topics/{topic}", path: "/topics/orders", body: `{"records":[{"value":1}]}`, slow: true, header: []string{"Content-Type", "application/vnd.kafka.json.v2+json"}, narrower: "unknown_stream"},
		{route: proxyRoute, path: "/kafka/v3/clusters/c/topics/orders/records", body: `{"value":{"type":"JSON","data":1}}`, header: []string{"Content-Type", "application/json"}, narrower: "unknown_stream"},
		{route: proxyRoute, path: "/kafka/v3/clusters/c/topics/orders/records", body: `{"value":{"type":"JSON","data":1}}`, slow: true, header: []string{"Content-Type", "application/json"}, narrower: "unknown_stream"},
		{route: "GET /v1/cursors/{stream}/{name}", path: "/v1/cursors/orders/n", narrower: "unknown_stream"},
		{route: "PUT /v1/cursors/{stream}/{name}", path: "/v1/cursors/orders/n", body: put, narrower: "unknown_stream"},
		{route: "PUT /v1/cursors/{stream}/{name}", path: "/v1/cursors/orders/n", body: put, slow: true, narrower: "unknown_stream"},
		{route: "DELETE /v1/cursors/{stream}/{name}", path: "/v1/cursors/orders/n", narrower: "unknown_stream"},
		{route: "GET /v1/ws", path: "/v1/ws?stream=orders", then: `{"type":"pong"}`, narrower: "forbidden"},
		{route: "POST /v1/tickets", path: "/v1/tickets", instant: true, narrower: "bad_request"},
		{route: "POST /v1/cookie", path: "/v1/cookie", instant: true, narrower: "bad_request"},
	}
	for _, d := range all {
		if rest, ok := strings.CutPrefix(d.route, "GET "); ok && d.then == "" {
			d.route = "HEAD " + rest
			all = append(all, d)
		}
	}
	const subscribe = `{"type":"subscribe","id":"a","stream":"orders"}`
	for _, m := range []struct{ then, narrower string }{
		{subscribe, "unknown_stream"},
		{`{"type":"subscribe","id":"x","subscriptions":[{"id":"a","stream":"orders"},{"id":"b","stream":"orders","key":["k"]}]}`, "unknown_stream"},
		{`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"latest"}`, "unknown_stream"},
		{`{"type":"publish","id":"p","stream":"orders","data":1}`, "unknown_stream"},
		{`{"type":"publish","id":"p","stream":"orders","records":[{"data":1},{"data":2}]}`, "unknown_stream"},
		{`{"type":"ping","id":"x"}`, ""},
		{`{"type":"pong"}`, ""},
		{`{"type":"unsubscribe","id":"a"}`, "bad_request"},
		{`{"type":"ack","id":"a","cursor":"%s"}`, "bad_request"},
	} {
		all = append(all, access{route: "GET /v1/ws", path: "/v1/ws", then: m.then, narrower: m.narrower})
	}
	return all
}

func (d access) name() string {
	return strings.NewReplacer("/", "_", " ", "_", "?", "_").Replace(fmt.Sprintf("%s %s %s slow=%v %s %q", d.route[:4], d.path, d.body, d.slow, d.then, d.header))
}

// heldKafka is a Kafka that does not answer while it is held.
type heldKafka struct {
	*hubtest.Topics
	held atomic.Bool
}

func (k *heldKafka) Topic(ctx context.Context, name string) (record.Topic, error) {
	if k.held.Load() {
		<-ctx.Done()
		return record.Topic{}, ctx.Err()
	}
	return k.Topics.Topic(ctx, name)
}

func (k *heldKafka) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	if !k.held.Load() {
		k.Topics.Produce(ctx, topic, messages, done)
		return
	}
	go func() {
		<-ctx.Done()
		results := make([]upstream.Stored, len(messages))
		for i := range results {
			results[i].Err = upstream.ErrPublishUnavailable
		}
		done(results)
	}()
}

// slowBody is a body whose second half comes two seconds after the first.
type slowBody struct {
	parts []string
	slow  bool
	over  chan struct{} // closed once the answer is complete
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.parts) == 0 {
		return 0, io.EOF
	}
	if len(b.parts) == 1 && b.slow {
		select {
		case <-time.After(2 * time.Second):
		case <-b.over:
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, b.parts[0])
	b.parts = b.parts[1:]
	return n, nil
}

// try uses an access with a token, and returns the status of the answer and its
// code: the first one that is sent, in whatever form.
func (in *instance) try(d access, token, renewWith string) (status int, code string) {
	in.t.Helper()
	cursor := record.Cursor{At: time.Now(), Streams: []record.StreamPosition{{Stream: "orders", Position: record.Position{Topic: record.TopicID{2}}}}}.String()
	fill := func(text string) string { return strings.Replace(text, "%s", cursor, 1) }
	if d.then != "" {
		o := &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}, HTTPClient: in.client}
		conn, res, err := websocket.Dial(in.t.Context(), in.url+d.path, o) //nolint:bodyclose // the library has
		if err != nil {
			body, _ := io.ReadAll(res.Body)
			return res.StatusCode, codeIn(body)
		}
		defer func() { _ = conn.CloseNow() }()
		s := &socket{t: in.t, Conn: conn}
		s.until("welcome")
		if renewWith != "" {
			s.send(`{"type":"auth","id":"r","token":"%s"}`, renewWith)
			s.until("authenticated")
		}
		// It may already be closed, which the reading below detects.
		_ = s.Write(in.t.Context(), websocket.MessageText, []byte(fill(d.then)))
		_ = s.Write(in.t.Context(), websocket.MessageText, []byte(`{"type":"ping","id":"last"}`))
		for {
			ctx, cancel := context.WithTimeout(in.t.Context(), 40*time.Second)
			_, b, err := s.Read(ctx)
			cancel()
			if err != nil {
				return int(websocket.CloseStatus(err)), code
			}
			var m message
			if json.Unmarshal(b, &m) != nil {
				in.t.Fatalf("got %s", b)
			}
			switch told := m.str("code") + m.str("reason"); {
			case m.str("type") == "pong" && m.str("id") == "last" && renewWith != "":
				return 0, code
			case m.str("type") == "event":
				in.t.Errorf("got %s", b)
			case m.str("type") == "closing":
				code = told
			case told != "" && code == "":
				code = told
			}
		}
	}
	method, _, _ := strings.Cut(d.route, " ")
	var body io.Reader
	if text := fill(d.body); text != "" {
		over := make(chan struct{})
		defer close(over)
		body = &slowBody{parts: []string{text[:3], text[3:]}, slow: d.slow, over: over}
	}
	req, err := http.NewRequestWithContext(in.t.Context(), method, in.url+d.path, body)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(d.header); i += 2 {
		req.Header.Set(d.header[i], d.header[i+1])
	}
	res, err := in.client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return res.StatusCode, codeIn(got)
}

var codes = regexp.MustCompile(`"code":"([a-z_]+)"`)

func codeIn(body []byte) string {
	if found := codes.FindSubmatch(body); found != nil {
		return string(found[1])
	}
	return ""
}

// told fails the test unless the access was answered with a code.
func (d access) told(t *testing.T, status int, code string, wantStatus int, want string) {
	t.Helper()
	switch {
	case d.then != "" && status != wantStatus:
		// A session that was open is closed with the code's own close code.
		if (want != "token_expired" || status != 4201) && (want != "revoked" || status != 4501) {
			t.Errorf("got status %d, want %d", status, wantStatus)
		}
	case strings.Contains(d.path, "errors=stream") && status == http.StatusOK:
	case (slices.Contains(d.header, "application/x-ndjson") || d.route == proxyRoute) && d.body != "" && status == http.StatusOK:
		// The answer had begun.
	case status != wantStatus:
		t.Errorf("got status %d and code %q, want %d", status, code, wantStatus)
	}
	if strings.HasPrefix(d.route, "HEAD ") {
		return // HEAD has no body
	}
	if code != want {
		t.Errorf("got code %q, want %q", code, want)
	}
}

// TestEveryRouteIsADoor: every route has an access; a route without one fails the
// test.
func TestEveryRouteIsADoor(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, d := range accesses() {
		known[d.route] = true
	}
	text := string(source)
	text = regexp.MustCompile(`http\.Method[A-Za-z]+:\s+s\.handleLater`).ReplaceAllString(text, "")
	// These use no token: one clears the cookie, the other is sent by issuers.
	known["DELETE /v1/cookie"], known["POST /v1/backchannel-logout"] = true, true
	found := 0
	for _, route := range regexp.MustCompile(`"(/[^"]*)":\s+\{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
		for _, method := range regexp.MustCompile(`http\.Method([A-Za-z]+):`).FindAllStringSubmatch(route[2], -1) {
			found++
			if pattern := strings.ToUpper(method[1]) + " " + route[1]; !known[pattern] {
				t.Errorf("%s is no door", pattern)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d routes", found)
	}
}

// eachDoor runs a test of each access, in a bubble of its own.
func eachDoor(t *testing.T, o func() options, test func(t *testing.T, in *instance, d access)) {
	t.Helper()
	for _, d := range accesses() {
		t.Run(d.name(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, o(), func(t *testing.T, in *instance) { test(t, in, d) })
		})
	}
}

func TestDoorsAreShutToAnEndedToken(t *testing.T) {
	t.Parallel()
	eachDoor(t, func() options { return options{} }, func(t *testing.T, in *instance, d access) {
		ended := token(t, "u", "live", 5*time.Second)
		time.Sleep(5 * time.Second)
		status, code := in.try(d, ended, "")
		d.told(t, status, code, http.StatusUnauthorized, "token_expired")
	})
}

// TestDoorsEndWithTheirToken: a request ends with its token, whatever it waits for:
// records, Kafka, Redis or its own body. Nothing is delivered and nothing stored
// afterwards.
func TestDoorsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		t.Run(fmt.Sprintf("held=%v", held), func(t *testing.T) {
			t.Parallel()
			for _, d := range accesses() {
				waits := held || d.then != "" || d.slow || strings.Contains(d.path, "wait=") ||
					strings.Contains(d.path, "events") && d.method() != http.MethodHead
				if d.instant || !waits {
					continue // this access is answered at once
				}
				t.Run(d.name(), func(t *testing.T) {
					t.Parallel()
					kafka := &heldKafka{}
					o := options{stream: func(s *hub.Stream) {
						kafka.Topics, _ = s.Source.(*hubtest.Topics)
						if s.Name == "orders" {
							s.Source, s.Producer = kafka, kafka
						}
					}}
					inBubble(t, o, func(t *testing.T, in *instance) {
						short := token(t, "u", "live", 5*time.Second)
						time.Sleep(4500 * time.Millisecond)
						kafka.held.Store(held)
						in.store.held.Store(held)
						began := time.Now()
						time.AfterFunc(time.Second, func() { in.publish("orders", 0, 0, 3) })
						status, code := in.try(d, short, "")
						if took := time.Since(began); took < 400*time.Millisecond || took > 3*time.Second {
							t.Errorf("it took %v, and the token ended after 500ms", took)
						}
						if !held && d.then == "" && strings.Contains(d.path, "events") {
							// The stream had begun, and ends with a message.
							if status != http.StatusOK || code != "token_expired" {
								t.Errorf("got %d, %q", status, code)
							}
						} else {
							d.told(t, status, code, http.StatusUnauthorized, "token_expired")
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
		})
	}
}

func (d access) method() string {
	method, _, _ := strings.Cut(d.route, " ")
	return method
}

// TestDoorsAreShutToANarrowerToken: rights that a newer token no longer grants are
// withdrawn at every access: from a new request at once, from a session at its
// renewal.
func TestDoorsAreShutToANarrowerToken(t *testing.T) {
	t.Parallel()
	eachDoor(t, func() options { return options{} }, func(t *testing.T, in *instance, d access) {
		wide, narrow := token(t, "u", "live", time.Hour), token(t, "u", "nothing", time.Hour)
		if d.then != "" {
			if _, code := in.try(d, wide, narrow); code != d.narrower {
				t.Errorf("got code %q, want %q", code, d.narrower)
			}
			return
		}
		status, code := in.try(d, narrow, "")
		if d.narrower == "" {
			if status != http.StatusOK || code != "" {
				t.Errorf("got %d, %q", status, code)
			}
			return
		}
		want := http.StatusNotFound
		if d.narrower == "bad_request" { // not configured here, which the token's rights do not change
			want = http.StatusBadRequest
		}
		d.told(t, status, code, want, d.narrower)
	})
}

// TestDoorsAreShutToATokenOfAWithdrawnKey: a token whose key the issuer has
// withdrawn is refused everywhere, also for a renewal. What was opened with it
// continues until the token expires or is revoked.
func TestDoorsAreShutToATokenOfAWithdrawnKey(t *testing.T) {
	t.Parallel()
	withdraw := func() {}
	var key ed25519.PrivateKey
	withKeyFile := func(t *testing.T, c *transport.Config) {
		path := filepath.Join(t.TempDir(), "keys.json")
		write := func() {
			public, private, err := ed25519.GenerateKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			key = private
			set := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"%s"}]}`, base64.RawURLEncoding.EncodeToString(public))
			if err := os.WriteFile(path, []byte(set), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write()
		var err error
		c.Auth, err = auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.EdDSA}, JWKSFile: path}},
			Grants:  []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}, Publish: []string{"orders"}}},
			Logger:  slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		running := make(chan struct{})
		go func() { defer close(running); _ = c.Auth.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-running })
		withdraw = write
	}
	for _, d := range accesses() {
		t.Run(d.name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := start(t, options{pipes: newPipes(), config: func(c *transport.Config) { withKeyFile(t, c) }})
				signed := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
					"iss": "test", "aud": "sluice", "sub": "u", "scope": "live", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
				})
				signed.Header["kid"] = "k"
				text, err := signed.SignedString(key)
				if err != nil {
					t.Fatal(err)
				}
				before := in.dial("", text)
				before.until("welcome")
				withdraw()
				time.Sleep(6 * time.Second) // until the file is read again
				status, code := in.try(d, text, "")
				d.told(t, status, code, http.StatusUnauthorized, "unauthenticated")
				before.send(`{"type":"auth","id":"r","token":"%s"}`, text)
				before.fails("r", "unauthenticated")
			})
		})
	}
}

// TestEventStreamsOverHTTP2EndWithTheirToken: over HTTP/2, where the connection
// stays open, an event stream ends with its token.
func TestEventStreamsOverHTTP2EndWithTheirToken(t *testing.T) {
	t.Parallel()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	certificates := borrowed.TLS.Certificates
	borrowed.Close()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		in := start(t, options{pipes: p, config: func(c *transport.Config) {
			c.TLS = &tls.Config{Certificates: certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}
		}})
		in.url = "https://sluice"
		client, _ := in.client.Transport.(*http.Transport)
		client.ForceAttemptHTTP2 = true
		client.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
		short, long := token(t, "u", "live", 5*time.Second), token(t, "u", "live", time.Hour)
		began := time.Now()
		other := in.events("/v1/streams/orders/events", long)
		for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
			s := in.events("/v1/streams/orders/events", short, "Accept", accept)
			if s.res.ProtoMajor != 2 || s.res.StatusCode != http.StatusOK {
				t.Fatalf("got %v %d", s.res.Proto, s.res.StatusCode)
			}
			got, err := io.ReadAll(s.res.Body)
			if code := codeIn(got); err != nil || code != "token_expired" || strings.Contains(string(got), `"event"`) {
				t.Errorf("got %s, %v", got, err)
			}
			if accept == "text/event-stream" {
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("it took %v", took)
				}
				short = token(t, "u", "live", 5*time.Second)
			}
		}
		in.publish("orders", 0, 0, 1)
		other.until("")
		other.cancel()
	})
}

// TestPublishesThatWaitHaveTheRightsThatAreInForce: a publish whose rights are withdrawn while
// its body is on the way, or while it waits for another one, is refused.
func TestPublishesThatWaitHaveTheRightsThatAreInForce(t *testing.T) {
	t.Parallel()
	const record, proxied = `{"data":1}`, `{"records":[{"value":1}]}`
	for name, c := range map[string]struct{ path, mediaType, body string }{
		"a record":     {publishPath, "application/json", record},
		"through REST": {"/topics/orders", "application/vnd.kafka.json.v2+json", proxied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			by := &ruled{}
			by.say(t, false, func(string) auth.Verdict { return auth.Allowed })
			in := start(t, underAuthority(t, by, "public.news"))
			conn, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
				c.path, token(t, "u", "live", time.Hour), c.mediaType, len(c.body))
			answers := bufio.NewReader(conn)
			if res, err := http.ReadResponse(answers, nil); err != nil || res.StatusCode != http.StatusContinue { //nolint:bodyclose // it has none
				t.Fatalf("got %v, %v", res, err)
			}
			by.say(t, false, func(string) auth.Verdict { return auth.Silent })
			in.server.RightsChanged()
			_, _ = io.WriteString(conn, c.body)
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusNotFound {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
		})
	}
	t.Run("over a WebSocket", func(t *testing.T) {
		t.Parallel()
		by := &ruled{}
		by.say(t, false, func(string) auth.Verdict { return auth.Allowed })
		o := underAuthority(t, by, "public.news")
		held := &tenantProducer{}
		release := held.hold()
		o.stream = func(s *hub.Stream) { held.Producer, s.Producer, s.Topic = s.Producer, held, "a.orders" }
		o.limits = func(l *transport.Limits) { l.PublishesPerSession = 1 }
		in := start(t, o)
		in.topics.Create("a.orders", 1)
		s := in.dial("", token(t, "u", "live", time.Hour))
		s.until("welcome")
		s.send(`{"type":"publish","id":"1","stream":"orders","data":1}`)
		in.eventually("it is on its way", func() bool { return held.holds.Load() == 1 })
		s.send(`{"type":"publish","id":"2","stream":"orders","data":2}`)
		in.eventually("another one waits", func() bool { return in.server.Unread() == 1 })
		by.say(t, false, func(string) auth.Verdict { return auth.Silent })
		in.server.RightsChanged()
		close(release)
		if m := s.until("published"); m.str("id") != "1" {
			t.Errorf("got %v", m)
		}
		if m := s.next(); m.str("type") != "error" || m.str("id") != "2" || m.str("code") != "forbidden" && m.str("code") != "unknown_stream" {
			t.Errorf("got %v", m)
		}
	})
}
