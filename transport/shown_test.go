package transport_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/transport"
)

// mostShown is how many characters of a client's text answers and logs may contain.
const mostShown = 32

// misplaced is a secret that a client sends in the wrong place.
type misplaced struct {
	text    string
	windows map[string]bool // each part of it that is just longer than may be shown
}

func misplacedSecret() misplaced {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	r := rand.New(rand.NewPCG(500, 32))
	b := make([]byte, 500)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	s := misplaced{text: string(b), windows: map[string]bool{}}
	for i := 0; i+mostShown < len(b); i++ {
		s.windows[s.text[i:i+mostShown+1]] = true
	}
	return s
}

// in reports whether a text contains more of the secret than may be shown, whatever
// the case.
func (s misplaced) in(text string) string {
	for i := 0; i+mostShown < len(text); i++ {
		if s.windows[text[i:i+mostShown+1]] {
			return text[i : i+mostShown+1]
		}
	}
	return ""
}

// answer sends a request and reads until the connection ends or a stream begins.
func (in *instance) answer(request string) string {
	in.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = c.Write([]byte(request)) // a request that is refused early is not read to its end
	var got strings.Builder
	b := make([]byte, 32<<10)
	for {
		n, err := c.Read(b)
		got.Write(b[:n])
		if text := got.String(); err != nil || strings.Contains(text, "sluice.ready") || strings.Contains(text, `"type":"ready"`) ||
			strings.HasPrefix(text, "HTTP/1.1 101") {
			return text
		}
	}
}

// misplacedRequests returns requests with the secret in every place of every route.
func misplacedRequests(secret, live string) (all []string) {
	add := func(method, path, token, body string, header ...string) {
		all = append(all, raw(method, path, token, body, header...))
	}
	routes := []struct{ method, path string }{
		{"GET", "/v1/ws"},
		{"GET", "/v1/events?stream=public.news"},
		{"GET", "/v1/streams/public.news/events"},
		{"GET", "/v1/streams/public.news/records"},
		{"POST", "/v1/streams/orders/records"},
		{"GET", "/v1/streams"},
		{"GET", "/v1/streams/public.news"},
		{"GET", "/v1/cursors/orders/name"},
		{"PUT", "/v1/cursors/orders/name"},
		{"DELETE", "/v1/cursors/orders/name"},
		{"POST", "/v1/tickets"},
		{"POST", "/v1/cookie"},
		{"DELETE", "/v1/cookie"},
		{"GET", "/openapi.json"},
		{"GET", "/asyncapi.json"},
		{"GET", "/"},
		{"OPTIONS", "/v1/streams/orders/records"},
		{"GET", "/v1/nowhere"},
	}
	parameters := []string{
		"stream", "from", "key", "cursor_name", "reset", "on_gap", "heartbeat", "ticket", "access_token", "last_event_id", "errors",
		"limit", "wait", "ping", "filter", "key_prefix", "message_id", "header.a", "made_up",
	}
	headers := []string{
		"Authorization: %s", "Authorization: Bearer %s", "Authorization: ApiKey %s", "Authorization: %s x", "Cookie: __Host-sluice=%s",
		"Cookie: %s", "Last-Event-ID: %s", "Last-Event-ID: v1.%s", "Last-Event-ID: v1.AAAA~%s:1", "Accept: %s", "Accept-Encoding: %s",
		"Content-Type: %s", "Content-Type: application/%s", "Content-Type: application/json; charset=%s", "Content-Type: application/json; %s",
		`Content-Type: application/json; a=1; a="%s"`, "Content-Type: application/cloudevents%s", "Content-Encoding: %s", "Idempotency-Key: %s",
		"Ce-%s: 1", "Ce-Id: %s", "%s: 1", "X: %s", "Origin: https://%s.example", "Origin: %s", "Host: %s", "Connection: %s", "Upgrade: %s",
		"Transfer-Encoding: %s", "Content-Length: %s", "Expect: %s", "X-Forwarded-For: %s", "X-Forwarded-Proto: %s", "Forwarded: for=%s",
		"Traceparent: %s", "Access-Control-Request-Method: %s", "Access-Control-Request-Headers: %s", "Sec-Fetch-Site: %s", "Range: %s",
		"If-None-Match: %s", "Te: %s", "Trailer: %s", "%s",
	}
	upgrade := []string{"Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="}
	for _, route := range routes {
		path, query, _ := strings.Cut(route.path, "?")
		if query != "" {
			query += "&"
		}
		if path == "/v1/ws" {
			for _, header := range append(headers, "Sec-WebSocket-Protocol: %s", "Sec-WebSocket-Extensions: %s",
				"Sec-WebSocket-Extensions: permessage-deflate; %s=1", "Sec-WebSocket-Version: %s", "Sec-WebSocket-Key: %s",
				"Sec-WebSocket-Protocol: sluice.v1.json, base64url.bearer.authorization.%s") {
				add(route.method, path, "", "", append([]string{strings.ReplaceAll(header, "%s", secret)}, upgrade...)...)
			}
			encoded := base64.RawURLEncoding.EncodeToString([]byte(secret))
			add(route.method, path, "", "", append([]string{"Sec-WebSocket-Protocol: x, base64url.bearer.authorization." + encoded}, upgrade...)...)
			for _, origin := range []string{"", "Origin: https://app.example.com"} {
				for _, name := range parameters {
					add(route.method, path+"?"+name+"="+secret, live, "", append([]string{"X: x\r\n" + origin + "\r\nY: y"}, upgrade...)...)
				}
				add(route.method, path+"?"+secret+"=1", live, "", append([]string{"X: x\r\n" + origin + "\r\nY: y"}, upgrade...)...)
			}
		}
		segments := strings.Split(path, "/")
		for i := 1; i < len(segments); i++ {
			with := append([]string(nil), segments...)
			with[i] = secret
			add(route.method, strings.Join(with, "/"), live, "")
			with[i] += ".x%2F%00" + secret
			add(route.method, strings.Join(with, "/"), live, "")
		}
		for _, name := range parameters {
			add(route.method, path+"?"+query+name+"="+secret, live, "")
			add(route.method, path+"?"+query+name+"=v1."+secret, live, "")
			add(route.method, path+"?"+query+name+"=last:"+secret, live, "")
		}
		for _, part := range []string{secret + "=1", secret, "%zz" + secret, "header." + secret + "=1", "header.sluice-" + secret + "=1", "a;" + secret} {
			add(route.method, path+"?"+query+part, live, "")
			add(route.method, path+"?"+query+part, live, "{}", "Content-Type: application/json")
		}
		for _, header := range headers {
			token := live
			if strings.HasPrefix(header, "Authorization") || strings.HasPrefix(header, "Cookie") {
				token = ""
			}
			add(route.method, route.path, token, "", strings.ReplaceAll(header, "%s", secret))
		}
		add(secret, route.path, live, "")
		if route.method != "POST" && route.method != "PUT" {
			continue
		}
		for _, body := range misplacedObjects(secret) {
			if rest, ok := strings.CutPrefix(body, "{"); ok && strings.HasSuffix(path, "records") {
				add(route.method, route.path, live, `{"data":1,`+rest, "Content-Type: application/json")
			}
			if strings.HasPrefix(path, "/v1/streams/") || strings.HasPrefix(path, "/v1/cursors/") {
				add(route.method, route.path, live, body, "Content-Type: application/json")
			}
		}
	}
	return all
}

// misplacedObjects returns JSON texts with the secret as names and values.
func misplacedObjects(secret string) (all []string) {
	fields := []string{
		"id", "token", "stream", "subscriptions", "from", "key", "cursor_name", "reset", "on_gap", "heartbeat", "ack", "cursor", "headers",
		"data", "encoding", "tombstone", "records", "filter", "key_prefix", "message_id", "type", "header.a", "made_up",
	}
	add := func(format string, args ...any) {
		all = append(all, strings.ReplaceAll(fmt.Sprintf(format, args...), "§", secret))
	}
	for _, field := range fields {
		for _, value := range []string{
			`"§"`, `["§"]`, `[["§"]]`, `{"§":1}`, `[{"§":1}]`, `{"§":1,"§":1}`, `"v1.§"`, `"v1.AAAA~§:1"`, `"last:§"`, `"\ud800§"`,
			`[["§","x"]]`, `[["sluice-§","x"]]`, `[["a","x","§"]]`, `[{"data":1,"§":1}]`, `[{"id":"a","stream":"§"}]`, `[{"id":"a","stream":"§","§":1}]`,
			`[{"data":1,"headers":[["sluice-§","x"]]}]`, `[{"data":"§","encoding":"base64"}]`, `[{"data":1,"encoding":"§"}]`,
		} {
			add(`{"%s":%s}`, field, value)
		}
		add(`{"%s":1,"%s§":1}`, field, strings.ToUpper(field))
	}
	add(`"§"`)
	add(`§`)
	add(`{"§":1}`)
	add(`{"data":1,"§":1}`)
	add(`{"data":1,"header.§":1}`)
	add(`{"data":1,"\ud800§":1}`)
	add(`{"§":1,"§":1}`)
	return all
}

// TestClientsTextIsCut: a text where a name belongs may be a token in the wrong
// place. Each answer and each log line contains at most 32 characters of it.
func TestClientsTextIsCut(t *testing.T) {
	t.Parallel()
	log := &journal{}
	var clock atomic.Int64
	in := start(t, options{
		limits: func(l *transport.Limits) { l.ErrorsPerMinute, l.SessionsPerPrincipal = 0, 0 },
		config: func(c *transport.Config) {
			c.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			// Only one fault of each code is logged per second.
			begun := time.Now()
			c.Now = func() time.Time { return begun.Add(time.Duration(clock.Add(1)) * 2 * time.Second) }
		},
	})
	secret := misplacedSecret()
	live := token(t, "u42", "live", 365*24*time.Hour)
	shown := 0
	check := func(answer, to string) {
		t.Helper()
		if part := secret.in(answer); part != "" {
			i := strings.Index(answer, part)
			t.Errorf("%.120q is answered with …%.300s", strings.ReplaceAll(to, secret.text, "§"), answer[max(0, i-150):])
		}
		if strings.Contains(answer, secret.text[:mostShown]) {
			shown++
		}
	}
	for _, request := range misplacedRequests(secret.text, live) {
		check(in.answer(request), request)
	}
	if shown < 100 {
		t.Errorf("only %d answers over HTTP show a part: this shows nothing", shown)
	}
	shown = 0
	ws := in.dial("", live)
	var kinds []string
	for _, kind := range []string{"auth", "subscribe", "unsubscribe", "ack", "publish", "ping", "pong", "pause", "resume", secret.text} {
		for _, object := range misplacedObjects(secret.text) {
			if rest, ok := strings.CutPrefix(object, "{"); ok {
				object = fmt.Sprintf(`{"type":%q,%s`, kind, rest)
				if !strings.Contains(object, `"id":`) {
					object = fmt.Sprintf(`{"id":"a",%s`, object[1:])
				}
			}
			kinds = append(kinds, object)
		}
	}
	for i, text := range kinds {
		ws.send("%s", text)
		ws.send(`{"type":"ping","id":"p%d"}`, i)
		for {
			_, b, err := ws.Read(t.Context())
			if err != nil {
				t.Fatalf("behind %.200s: %v", text, err)
			}
			check(string(b), text)
			if strings.Contains(string(b), fmt.Sprintf(`"pong","id":"p%d"`, i)) {
				break
			}
		}
	}
	if shown < 100 {
		t.Errorf("only %d answers over WebSockets show a part", shown)
	}
	_ = ws.Close(websocket.StatusNormalClosure, secret.text[:120])
	// The reason of a close, before the client has authenticated.
	shown = 0
	for _, text := range misplacedObjects(secret.text)[:120] {
		if object, ok := strings.CutPrefix(text, "{"); ok {
			text = `{"type":"` + secret.text + `",` + object
		}
		anonymous := in.dial("", "")
		anonymous.send("%s", text)
		for {
			_, b, err := anonymous.Read(t.Context())
			if err != nil {
				check(err.Error(), text)
				break
			}
			check(string(b), text)
		}
		_ = anonymous.CloseNow()
	}
	if shown < 100 {
		t.Errorf("only %d reasons show a part", shown)
	}
	shown = 0
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	for line := range strings.SplitSeq(log.text(), "\n") {
		if part := secret.in(line); part != "" {
			t.Errorf("logged: %.400s", line)
		}
		if strings.Contains(line, secret.text[:mostShown]) {
			shown++
		}
	}
	if shown < 100 {
		t.Errorf("only %d lines of the log show a part", shown)
	}
}
