package measure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

func TestPositions(t *testing.T) {
	t.Parallel()
	event := func(stream string, partition, offset int) string {
		return fmt.Sprintf(`{"type":"event","stream":%q,"partition":%d,"offset":%d,"ts":5,"key":"\"partition\":7,","data":1}`, stream, partition, offset)
	}
	p := position{}
	take := func(want bool, message string) {
		t.Helper()
		if p.event([]byte(message)) != want {
			t.Errorf("%s: news: %t", message, !want)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := p.text(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	gapped := func(text string) { p.gap(gapOf([]byte(text))) }
	take(true, event("s", 0, 4))
	is("")
	p.at("v1.a")
	is("v1.a")
	take(true, event("s", 1, 9))
	take(true, event("s", 0, 5))
	take(false, event("s", 0, 4))
	take(false, event("s", 0, 5))
	is("v1.a~0:6,1:10")
	p.at("")
	is("v1.a~0:6,1:10")
	gapped(`{"type":"gap","stream":"s","partition":1,"from":10,"to":20,"reason":"retention"}`)
	take(false, event("s", 1, 19))
	is("v1.a~0:6,1:20")
	gapped(`{"type":"gap","stream":"s","partition":1,"from":5,"to":20,"reason":"truncated"}`)
	is("v1.a~0:6")
	take(true, event("s", 1, 5))
	gapped(`{"type":"gap","stream":"s","partition":0,"from":6,"to":6,"reason":"log_changed"}`)
	is("v1.a~1:6")
	take(true, event("s", 0, 0))
	p.at("v1.b")
	is("v1.b")
	take(false, event("s", 0, 0))
	for n := range 1000 {
		take(true, event("s", 1000+n, n))
	}
	is("v1.b") // what is longer is refused
	take(true, `{"type":"event"}`)

	p = position{several: true}
	p.at("v1.c")
	take(true, event("s.b", 0, 4))
	take(true, event("s.a", 0, 4))
	take(false, event("s.b", 0, 4))
	is("v1.c~s.a/0:5,s.b/0:5")
}

func TestEndings(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]ended{
		`{"type":"closing","code":"draining","close":1012,"action":"resume","retry_after_ms":70}`:         {code: "draining", after: 70 * time.Millisecond},
		`{"type":"closing","code":"forbidden","close":4503,"action":"stop"}`:                              {code: "forbidden", stop: true},
		`{"type":"closing","code":"x","close":4503}`:                                                      {code: "x", stop: true},
		`{"type":"closing","code":"x","close":4305}`:                                                      {code: "x", void: true},
		`{"type":"closing","code":"token_expired","close":4201,"action":"reauthenticate"}`:                {code: "token_expired"},
		`{"type":"error","id":"0","code":"overloaded","retryable":true,"action":"resume"}`:                {code: "overloaded"},
		`{"type":"error","id":"0","code":"bad_cursor","retryable":false,"action":"resync"}`:               {code: "bad_cursor", void: true},
		`{"type":"error","id":"0","code":"unknown_stream","retryable":false}`:                             {code: "unknown_stream", stop: true},
		`{"type":"unsubscribed","id":"0","reason":"slow_consumer","retryable":true}`:                      {code: "slow_consumer"},
		`{"type":"unsubscribed","id":"0","reason":"superseded","retryable":false}`:                        {code: "superseded", stop: true},
		`{"type":"unsubscribed","id":"0","reason":"retention","retryable":false}`:                         {code: "retention", void: true},
		`{"code":"too_many_sessions","status":429,"retryable":true,"retry_after_ms":5,"action":"resume"}`: {code: "too_many_sessions", after: 5 * time.Millisecond},
	} {
		_, code := kindOf([]byte(message))
		if code == "" {
			code = want.code
		}
		if got := endedBy([]byte(message), code); *got != want {
			t.Errorf("%s: got %+v", message, *got)
		}
	}
	for status, stop := range map[int]bool{200: false, 302: false, 400: true, 404: true, 429: false, 502: false} {
		e, ok := errors.AsType[*ended](refusal(&http.Response{StatusCode: status}, []byte("<html>")))
		if !ok || e.stop != stop {
			t.Errorf("%d: got %+v", status, e)
		}
	}
	for code, want := range map[websocket.StatusCode]ended{1012: {}, 4008: {}, 4303: {void: true}, 4503: {stop: true}} {
		got := endingOf(fmt.Errorf("read: %w", websocket.CloseError{Code: code}))
		if got.stop != want.stop || got.void != want.void {
			t.Errorf("%d: got %+v", code, got)
		}
	}
	if !endingOf(fmt.Errorf("no token: %w", client.ErrNoToken)).stop {
		t.Error("a client without a token comes back")
	}
}

// bouncer is a server that does something with each connection, after its subscription has begun.
type bouncer struct {
	t  *testing.T
	do func(c *websocket.Conn, connection int)

	mu       sync.Mutex
	requests []string
}

func (b *bouncer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	_, request, err := c.Read(r.Context())
	if err != nil {
		return
	}
	b.mu.Lock()
	b.requests = append(b.requests, string(request))
	number := len(b.requests)
	b.mu.Unlock()
	for _, text := range []string{
		`{"type":"welcome","session":"s","ping_ms":25000}`,
		fmt.Sprintf(`{"type":"subscribed","id":"0","stream":"s","feed":"s","cursor":"v1.%d"}`, number),
		fmt.Sprintf(`{"type":"event","stream":"s","partition":0,"offset":%d,"ts":5,"data":1}`, number),
	} {
		if c.Write(r.Context(), websocket.MessageText, []byte(text)) != nil {
			return
		}
	}
	b.do(c, number)
	_, _, _ = c.Read(r.Context())
}

// TestClientsComeBack: where the server says, when it says, and not at all.
func TestClientsComeBack(t *testing.T) {
	t.Parallel()
	say := func(c *websocket.Conn, text string) {
		_ = c.Write(context.Background(), websocket.MessageText, []byte(text))
	}
	for name, test := range map[string]struct {
		do   func(c *websocket.Conn, connection int)
		want string // lost, back, away, gaps, repeated
		from string // of the second request
	}{
		"drain": {func(c *websocket.Conn, n int) {
			if n == 1 {
				say(c, `{"type":"drain","reconnect_ms":20}`)
			}
		}, "1 1 0 0 0", "v1.1~0:2"},
		"closing": {func(c *websocket.Conn, n int) {
			if n == 1 {
				say(c, `{"type":"closing","code":"draining","close":1012,"action":"resume","cursors":{"0":"v1.x"}}`)
			}
		}, "1 1 0 0 0", "v1.x"},
		"cut": {func(c *websocket.Conn, n int) {
			if n == 1 {
				_ = c.CloseNow()
			}
		}, "1 1 0 0 0", "v1.1~0:2"},
		"void": {func(c *websocket.Conn, n int) {
			if n == 1 {
				_ = c.Close(4303, "")
			}
		}, "1 1 0 1 0", "latest"},
		"stop": {func(c *websocket.Conn, _ int) {
			_ = c.Close(4503, "")
		}, "1 0 1 0 0", ""},
		"repeated": {func(c *websocket.Conn, _ int) {
			say(c, `{"type":"event","stream":"s","partition":0,"offset":1,"ts":5,"data":1}`)
		}, "0 0 0 0 1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bouncer{t: t, do: test.do}
			server := httptest.NewServer(b)
			defer server.Close()
			report, err := Run(t.Context(), Config{
				URL: server.URL, Stream: "s", Transport: WebSocket, Clients: 1, ConnectRate: 100, Duration: 3 * time.Second, Patience: 30 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(report.Lost, report.CameBack.Count, report.Away, report.Gaps, report.Repeated)
			if got != test.want {
				t.Errorf("got %s, want %s: %+v", got, test.want, report)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if test.from != "" && (len(b.requests) != 2 || !strings.Contains(b.requests[1], `"from":"`+test.from+`"`)) {
				t.Errorf("requests %s", b.requests)
			}
			if test.from == "" && len(b.requests) != 1 {
				t.Errorf("requests %s", b.requests)
			}
			if err := report.Print(io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClientsComeBackOverFaultsOfTLS: what keeps a server that was reached from being
// reached, such as a certificate, is mended while the clients try.
func TestClientsComeBackOverFaultsOfTLS(t *testing.T) {
	t.Parallel()
	b := &bouncer{t: t, do: func(c *websocket.Conn, n int) {
		if n == 1 {
			_ = c.CloseNow()
		}
	}}
	server := httptest.NewUnstartedServer(b)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	var handshakes atomic.Int32
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if n := handshakes.Add(1); n != 2 {
			return nil, nil
		}
		wants := server.TLS.Clone()
		wants.ClientAuth, wants.GetConfigForClient = tls.RequireAnyClientCert, nil
		return wants, nil
	}}
	server.StartTLS()
	defer server.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	report, err := Run(t.Context(), Config{
		URL: server.URL, TLS: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		Stream: "s", Transport: WebSocket, Clients: 1, ConnectRate: 100, Duration: 3 * time.Second, Patience: 30 * time.Second,
	})
	if err != nil || report.Lost != 1 || report.CameBack.Count != 1 || report.Away != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
}

// TestSilentServersAreLeft: a connection that has died without a word is a lost one.
func TestSilentServersAreLeft(t *testing.T) {
	t.Parallel()
	r := &run{}
	r.silence.Store(int64(20 * time.Millisecond))
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	transport := r.transport()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(server.URL) //nolint:noctx // it ends by itself
	if err == nil {
		_ = res.Body.Close()
		t.Error("it waited for the answer")
	}
}
