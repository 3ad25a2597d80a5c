package client_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	goclient "sluice/transport/client"
)

// attack is what a hostile server, a portal or a proxy does with a connection.
type attack struct {
	name string
	do   func(w http.ResponseWriter, r *http.Request)
}

// status answers with a status and a text.
func status(code int, header, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(text))
	}
}

// raw answers with bytes on the connection itself, and ends it.
func raw(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(text))
		linger(conn)
	}
}

// linger ends a connection without a reset, which could overtake what was sent.
func linger(conn net.Conn) {
	_ = conn.(*net.TCPConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = bufio.NewReader(conn).WriteTo(discard{})
	_ = conn.Close()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// upgraded does something with a WebSocket, once the client has said something.
func upgraded(do func(ctx context.Context, c *websocket.Conn)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		if _, _, err := c.Read(r.Context()); err == nil {
			do(r.Context(), c)
		}
	}
}

// saying sends messages and closes with a code, 0 for none.
func saying(code websocket.StatusCode, messages ...string) func(http.ResponseWriter, *http.Request) {
	return upgraded(func(ctx context.Context, c *websocket.Conn) {
		for _, m := range messages {
			if c.Write(ctx, websocket.MessageText, []byte(m)) != nil {
				return
			}
		}
		if code != 0 {
			_ = c.Close(code, "")
			return
		}
		// A client may leave, or go on as after a message that it does not know.
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	})
}

// framed sends bytes in place of frames.
func framed(frames string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		accept := websocketAccept(r.Header.Get("Sec-WebSocket-Key"))
		raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: sluice.v1.json\r\nSec-WebSocket-Accept: "+accept+"\r\n\r\n"+frames)(w, r)
	}
}

const goodWelcome = `{"type":"welcome","session":"s","ping_ms":25000,"limits":{"publishes_per_session":4}}`

// attacksOfWebSockets are what a client must come back after.
var attacksOfWebSockets = []attack{
	{"a portal", status(200, "Content-Type: text/html", "<html>log in")},
	{"JSON of something else", status(200, "Content-Type: application/json", "null")},
	{"a portal by a redirect", status(302, "Location: http://127.0.0.1:1/login", "")},
	{"a permanent redirect", status(301, "Location: http://127.0.0.1:1/v1/ws", "")},
	{"no content", status(204, "", "")},
	{"a bad gateway", status(502, "Content-Type: text/html", "<html>")},
	{"a gateway timeout", status(504, "Content-Type: text/html", "<html>")},
	{"a fault that is no object", status(503, "", `[1]`)},
	{"a fault without sense", status(503, "", `{"code":"overloaded","retryable":true,"action":"resume","retry_after_ms":-5}`)},
	{"cut", raw("")},
	{"half of an answer", raw("HTTP/1.1 101 Swi")},
	{"no HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n")},
	{"a wrong key", raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n")},
	{"half of a frame", framed("\x81\x7e\x01\x00{\"type\":")},
	{"a frame that is too large", framed("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff{")},
	{"a length with its first bit set", framed("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff{")},
	{"a masked frame", framed("\x81\x82\x00\x00\x00\x00{}")},
	{"a reserved opcode", framed("\x83\x02{}")},
	{"reserved bits", framed("\xf1\x02{}")},
	{"no UTF-8", framed("\x81\x02\xff\xfe")},
	{"a continuation of nothing", framed("\x80\x02{}")},
	{"no JSON", saying(0, "hello")},
	{"half JSON", saying(0, `{"type":"wel`)},
	{"null", saying(0, "null")},
	{"a number", saying(0, goodWelcome, "5")},
	{"a list", saying(0, goodWelcome, "[1]")},
	{"a text", saying(0, goodWelcome, `"x"`)},
	{"deep", saying(0, goodWelcome, strings.Repeat(`[`, 100_000))},
	{"close 1001", saying(1001, goodWelcome)},
	{"close 1005", saying(1005, goodWelcome)},
	{"close 1012", saying(1012, goodWelcome)},
	{"close 1013", saying(1013, goodWelcome)},
	{"close 4000", saying(4000, goodWelcome)},
	{"close 4008", saying(4008, goodWelcome)},
	{"close 4012", saying(4012, goodWelcome)},
	{"close 4101", saying(4101, goodWelcome)},
	{"close 4202", saying(4202, goodWelcome)},
	{"close 4499", saying(4499, goodWelcome)},
}

// hostile is a server that attacks, and serves the connection after the last attack.
type hostile struct {
	attacks []attack
	good    func(http.ResponseWriter, *http.Request)

	mu    sync.Mutex
	begun int
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	number := h.begun
	h.begun++
	h.mu.Unlock()
	if number < len(h.attacks) {
		h.attacks[number].do(w, r)
		return
	}
	h.good(w, r)
}

// last names the attack after which the client has not come back.
func (h *hostile) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.begun == 0:
		return "no connection"
	case h.begun > len(h.attacks):
		return "none"
	}
	return h.attacks[h.begun-1].name
}

// oneRecord runs a client that prints the offset of one record.
type oneRecord func(t *testing.T, url, transport string) *exec.Cmd

var oneRecords = map[string]oneRecord{
	"python": func(t *testing.T, url, transport string) *exec.Cmd {
		cmd, _ := python(t, "-c", `
import sluice, sys
for event in sluice.Client(sys.argv[1], transports=[sys.argv[2]], backoff=(0.001, 0.002)).subscribe("orders"):
    print(event["offset"])
    break`, url, transport)
		return cmd
	},
	"javascript": func(t *testing.T, url, transport string) *exec.Cmd {
		file, err := filepath.Abs("dist/sluice.js")
		if err != nil {
			t.Fatal(err)
		}
		return exec.CommandContext(t.Context(), program(t, "node"), "--experimental-websocket", "--no-warnings", "--input-type=module", "-e", `
const { connect } = await import(process.argv[1]);
const client = connect(process.argv[2], { transports: [process.argv[3]], backoff: { min: 1, max: 2 } });
for await (const { offset } of client.subscribe("orders")) {
  console.log(offset);
  break;
}`, file, url, transport)
	},
}

// oneEvent serves a WebSocket with a subscription, which has one record.
var oneEvent = upgraded(func(ctx context.Context, c *websocket.Conn) {
	say := func(text string) { _ = c.Write(ctx, websocket.MessageText, []byte(text)) }
	say(goodWelcome)
	var request struct{ Type, ID string }
	for request.Type != "subscribe" {
		_, text, err := c.Read(ctx)
		if err != nil || json.Unmarshal(text, &request) != nil {
			return
		}
	}
	say(fmt.Sprintf(`{"type":"subscribed","id":%q,"stream":"orders","feed":"orders","start":"latest","cursor":"v1.a"}`, request.ID))
	say(`{"type":"event","stream":"orders","partition":0,"offset":5,"ts":1,"key":null,"data":1}`)
	_, _, _ = c.Read(ctx)
})

// TestClientsComeBackFromAttacks: what a portal, a proxy or a hostile server does over WebSockets ends
// no subscription, and harms nobody.
func TestClientsComeBackFromAttacks(t *testing.T) {
	t.Parallel()
	for name, run := range oneRecords {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hostile{attacks: attacksOfWebSockets, good: oneEvent}
			server := httptest.NewServer(h)
			defer server.Close()
			defer server.CloseClientConnections()
			out, err := run(t, server.URL, "websocket").Output()
			if err != nil || string(out) != "5\n" {
				t.Errorf("after %s: %v: %s", h.last(), err, out)
			}
		})
	}
	t.Run("go", func(t *testing.T) {
		t.Parallel()
		h := &hostile{attacks: attacksOfWebSockets, good: saying(0, goodWelcome,
			`{"type":"subscribed","id":"0","stream":"orders","feed":"orders","start":"latest","cursor":"v1.a"}`,
			`{"type":"event","stream":"orders","partition":0,"offset":5,"ts":1,"key":null,"data":1}`)}
		server := httptest.NewServer(h)
		defer server.Close()
		defer server.CloseClientConnections()
		c, err := goclient.New(goclient.Config{URL: server.URL, MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for event, err := range c.Subscribe(ctx, goclient.Request{Stream: "orders"}) {
			if err != nil {
				t.Errorf("after %s: %v", h.last(), err)
			}
			if record, ok := event.(goclient.Record); ok {
				if record.Offset != 5 {
					t.Errorf("got %+v", record)
				}
				break
			}
		}
	})
}

// websocketAccept answers the key of a handshake (RFC 6455, section 4.2.2).
func websocketAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// events answers with a part of an event stream, and ends it.
func events(text string) func(http.ResponseWriter, *http.Request) {
	return status(200, "Content-Type: text/event-stream", text)
}

const goodReady = "event: sluice.ready\ndata: {\"type\":\"ready\",\"session\":\"s\",\"streams\":[\"orders\"],\"cursor\":\"v1.a\"}\n\n"

// attacksOfEventStreams are what a client must come back after.
var attacksOfEventStreams = []attack{
	{"a portal", status(200, "Content-Type: text/html", "<html>\n<body>\ndata: log in\n\n")},
	{"a portal by a redirect", status(302, "Location: http://127.0.0.1:1/login", "")},
	{"no content", status(204, "", "")},
	{"a bad gateway", status(502, "Content-Type: text/html", "<html>")},
	{"a fault that is null", status(503, "", "null")},
	{"cut", raw("")},
	{"half of a chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ndata: {")},
	{"a chunk without a length", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")},
	{"no JSON", events(goodReady + "data: hello\n\n")},
	{"null", events(goodReady + "data: null\n\n")},
	{"a number", events(goodReady + "data: 5\n\n")},
	{"a list", events(goodReady + "data: [1]\n\n")},
	{"deep", events(goodReady + "data: " + strings.Repeat("[", 100_000) + "\n\n")},
	{"half of an event", events(goodReady + "data: {\"type\":\"event\",")},
	{"no UTF-8", events(goodReady + "data: \"\xff\xfe\"\n\n")},
	{"ids of nothing", events("id\nid:\nid: \n\n:\n\n" + goodReady)},
	{"a close without a code", events(goodReady + "data: {\"type\":\"closing\",\"action\":\"resume\"}\n\n")},
	{"a line that does not end", events(goodReady + "data: " + strings.Repeat("x", 17<<20))},
}

// TestClientsComeBackFromAttacksOfEventStreams is TestClientsComeBackFromAttacks for event streams.
func TestClientsComeBackFromAttacksOfEventStreams(t *testing.T) {
	t.Parallel()
	for name, run := range oneRecords {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hostile{attacks: attacksOfEventStreams, good: func(w http.ResponseWriter, r *http.Request) {
				events(goodReady+"data: {\"type\":\"event\",\"stream\":\"orders\",\"partition\":0,\"offset\":5,\"ts\":1,\"key\":null,\"data\":1}\nid: v1.b\n\n")(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}}
			server := httptest.NewServer(h)
			defer server.Close()
			defer server.CloseClientConnections()
			out, err := run(t, server.URL, "sse").Output()
			if err != nil || string(out) != "5\n" {
				t.Errorf("after %s: %v: %s", h.last(), err, out)
			}
		})
	}
}

// TestWhatOthersAnswerIsNotStored: an answer to a publish that is not the server's is no place.
func TestWhatOthersAnswerIsNotStored(t *testing.T) {
	t.Parallel()
	page := `{"records":[],"gaps":[],"cursor":"v1.a","caught_up":true}`
	answers := []attack{
		{"nothing", status(200, "", "")},
		{"an object", status(200, "", "{}")},
		{"null", status(200, "", "null")},
		{"a list", status(200, "", "[]")},
		{"half of a place", status(200, "", `{"partition":0}`)},
		{"a page", status(200, "", page)},
		{"a portal", status(200, "Content-Type: text/html", "<html>")},
		{"deep", status(200, "", strings.Repeat("[", 100_000))},
		{"a redirect, of which a GET is made", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				status(200, "", page)(w, r)
				return
			}
			http.Redirect(w, r, r.URL.Path, http.StatusMovedPermanently)
		}},
		{"a bad gateway", status(502, "", "<html>")},
		{"a wait that is none", status(503, "", `{"code":"publish_unknown","retryable":true,"action":"resume","retry_after_ms":"soon"}`)},
	}
	for name, run := range map[string]func(*testing.T, string) *exec.Cmd{
		"python": func(t *testing.T, url string) *exec.Cmd {
			cmd, _ := python(t, "-c", `
import sluice, sys
try:
    print(sluice.Client(sys.argv[1], backoff=(0.001, 0.002)).publish("orders", {"data": 1}, timeout=0.2))
except sluice.SluiceError as fault:
    print(fault.code, bool(fault.message_id))`, url)
			return cmd
		},
		"javascript": func(t *testing.T, url string) *exec.Cmd {
			file, err := filepath.Abs("dist/sluice.js")
			if err != nil {
				t.Fatal(err)
			}
			return exec.CommandContext(t.Context(), program(t, "node"), "--no-warnings", "--input-type=module", "-e", `
const { connect } = await import(process.argv[1]);
const sluice = connect(process.argv[2], { backoff: { min: 1, max: 2 } });
const { code, message_id, ...rest } = await sluice.publish("orders", { data: 1 }, { timeout: 200 }).catch((error) => error);
console.log(code ?? JSON.stringify(rest), message_id ? "True" : "False");`, file, url)
		},
	} {
		for _, a := range answers {
			t.Run(name+" "+a.name, func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(http.HandlerFunc(a.do))
				defer server.Close()
				if out, err := run(t, server.URL).Output(); err != nil || string(out) != "publish_unknown True\n" {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

// brief is a server that answers everything, ends connections at random, and counts those that are open.
type brief struct{ open atomic.Int64 }

func (b *brief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		status(200, "Content-Type: application/json", `{"partition":0,"offset":5}`)(w, r)
		return
	}
	b.open.Add(1)
	defer b.open.Add(-1)
	ctx, cancel := context.WithTimeout(r.Context(), rand.N(50*time.Millisecond))
	defer cancel()
	if r.URL.Path == "/v1/ws" {
		answerAll(ctx, w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for n := 5; ctx.Err() == nil; n++ {
		_, _ = fmt.Fprintf(w, "data: {\"type\":\"event\",\"stream\":\"orders\",\"partition\":0,\"offset\":%d,\"ts\":1,\"key\":null,\"data\":1}\nid: v1.%d\n\n", n, n)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond)
	}
}

// answerAll serves a WebSocket until the context ends.
func answerAll(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	say := func(text string, args ...any) {
		_ = c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, text, args...))
	}
	say(goodWelcome)
	for n := 5; ; n++ {
		var request struct{ Type, ID string }
		_, text, err := c.Read(ctx)
		if err != nil || json.Unmarshal(text, &request) != nil {
			return
		}
		switch request.Type {
		case "subscribe":
			feed := "f" + request.ID
			say(`{"type":"subscribed","id":%q,"stream":"orders","feed":%q,"start":"latest","cursor":"v1.a"}`, request.ID, feed)
			for range 3 {
				say(`{"type":"event","stream":"orders","feed":%q,"partition":0,"offset":%d,"ts":1,"key":"k","data":1}`, feed, n)
				n++
			}
		case "publish":
			say(`{"type":"published","id":%q,"partition":0,"offset":5}`, request.ID)
		case "unsubscribe":
			say(`{"type":"unsubscribed","id":%q,"reason":"requested","retryable":false}`, request.ID)
		}
	}
}

// TestNothingStaysOfSubscriptions: they are left at any moment in every way, and neither a connection nor
// anything else of them stays.
func TestNothingStaysOfSubscriptions(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T, string) (*exec.Cmd, string){
		"python websocket": func(t *testing.T, url string) (*exec.Cmd, string) {
			cmd, _ := python(t, "testdata/churn.py", url, "websocket")
			return cmd, "[] 1 0\n"
		},
		"python sse": func(t *testing.T, url string) (*exec.Cmd, string) {
			cmd, _ := python(t, "testdata/churn.py", url, "sse")
			return cmd, "[] 1 0\n"
		},
		"javascript": func(t *testing.T, url string) (*exec.Cmd, string) {
			file, err := filepath.Abs("src/sluice.js")
			if err != nil {
				t.Fatal(err)
			}
			return exec.CommandContext(t.Context(), program(t, "node"), "--experimental-websocket", "--no-warnings", "testdata/churn.mjs", file, url), "[]\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &brief{}
			server := httptest.NewServer(b)
			defer server.Close()
			defer server.CloseClientConnections()
			cmd, want := run(t, server.URL)
			var errs strings.Builder
			cmd.Stderr = &errs
			began := time.Now()
			out, err := cmd.Output()
			if err != nil || string(out) != want || errs.Len() > 0 {
				t.Errorf("%v: %s%s", err, out, errs.String())
			}
			t.Logf("it took %v", time.Since(began))
		})
	}
}

// TestStoresThatFailAreTriedAgain: a position that was not stored is stored later, also if no record comes,
// and the application hears of each failure.
func TestStoresThatFailAreTriedAgain(t *testing.T) {
	t.Parallel()
	file, err := filepath.Abs("dist/sluice.js")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&hostile{good: oneEvent})
	defer server.Close()
	defer server.CloseClientConnections()
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "--experimental-websocket", "--no-warnings", "--input-type=module", "-e", `
const { connect } = await import(process.argv[1]);
let left = 2;
let stored;
const errors = [];
const subscription = connect(process.argv[2]).subscribe("orders", { store: {
  getItem: () => null,
  setItem: async (_, cursor) => {
    if (left-- > 0) throw new Error("full");
    stored = cursor;
  },
} });
subscription.on("error", ({ message }) => errors.push(message));
subscription.on("event", () => {});
while (!stored) await new Promise((resolve) => setTimeout(resolve, 10));
console.log(stored, errors.join());
// One that fails at the end is not tried for ever.
left = 1;
subscription.close();`, file, server.URL)
	out, err := cmd.Output()
	if err != nil || string(out) != "v1.a~0:6 full,full\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAcksOfThemselves: a position is acked at the latest when the subscription is closed, and never ahead of
// what the application has dealt with. Nor is the move of an operator undone: not while the application has
// still to hear of it, and not before the server has said where the subscription is then.
func TestAcksOfThemselves(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, out, acks string }{
		"closed at once": {`
await new Promise((resolve) => subscription.on("event", resolve));
subscription.close();
await sleep(200);`, "", `{"cursor":"v1.a~0:6"}`},
		"moved, and the server is slow": {`
subscription.on("event", () => {});
while (subscription.cursor !== "v1.b") await sleep(10);`, "moved", `{"cursor":"v1.b"}`},
		"moved, and the application is slow": {`
for await (const { offset } of subscription) {
  await sleep(1500);
  if (offset === 2) break;
}`, "moved", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			acks, out := acksOf(t, strings.HasPrefix(name, "moved"), strings.HasSuffix(name, "server is slow"), test.script)
			if out != test.out+"\n" || acks != test.acks {
				t.Errorf("errors %q, acks %q", out, acks)
			}
		})
	}
}

// acksOf runs a script that subscribes, and returns the acks and what the script has printed: the errors of
// the subscription. It may be moved after its first event.
func acksOf(t *testing.T, move, slow bool, script string) (acked, printed string) {
	t.Helper()
	file, err := filepath.Abs("dist/sluice.js")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu       sync.Mutex
		acks     []string
		sessions int
	)
	handler := http.NewServeMux()
	handler.HandleFunc("/v1/cursors/orders/n", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
		mu.Lock()
		defer mu.Unlock()
		acks = append(acks, string(body))
	})
	handler.HandleFunc("/v1/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sluice.v1.json"}})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		say := func(format string, a ...any) {
			_ = c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, format, a...))
		}
		say(`{"type":"welcome","session":"s","ping_ms":60000,"limits":{"publishes_per_session":1}}`)
		for {
			var request struct{ Type, ID string }
			_, text, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if json.Unmarshal(text, &request) != nil || request.Type != "subscribe" {
				continue
			}
			mu.Lock()
			sessions++
			number := sessions
			mu.Unlock()
			if number > 1 {
				if slow {
					time.Sleep(2500 * time.Millisecond) // for two of its times to store a position
				}
				say(`{"type":"subscribed","id":%q,"stream":"orders","feed":"f2","cursor":"v1.b"}`, request.ID)
				if !slow {
					say(`{"type":"event","stream":"orders","feed":"f2","partition":0,"offset":2,"ts":1,"key":"k","data":1}`)
				}
				continue
			}
			say(`{"type":"subscribed","id":%q,"stream":"orders","feed":"f","cursor":"v1.a"}`, request.ID)
			say(`{"type":"event","stream":"orders","feed":"f","partition":0,"offset":5,"ts":1,"key":"k","data":1}`)
			if move {
				say(`{"type":"unsubscribed","id":%q,"reason":"moved","retryable":false,"cursor":"v1.c"}`, request.ID)
			}
		}
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	defer server.CloseClientConnections()
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "--experimental-websocket", "--no-warnings", "--input-type=module", "-e", `
const { connect } = await import(process.argv[1]);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const client = connect(process.argv[2], { transports: ["websocket"], backoff: { min: 1, max: 1 } });
const subscription = client.subscribe("orders", { cursor_name: "n", ack: "auto" });
const errors = [];
subscription.on("error", ({ code }) => errors.push(code));
`+script+`
subscription.close();
client.close();
console.log(errors.join());`, file, server.URL)
	out, err := cmd.Output()
	if err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return strings.Join(acks, " "), string(out)
}
