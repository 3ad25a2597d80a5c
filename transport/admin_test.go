package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sluice/auth"
	"sluice/transport"
)

// eventsFrom opens an event stream as a proxy would for a client.
func (in *instance) eventsFrom(path string, hops []string) *stream {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url+path, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header["X-Forwarded-For"] = hops
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { cancel(); _ = res.Body.Close() })
	return &stream{t: in.t, res: res, lines: bufio.NewReader(res.Body), cancel: cancel}
}

// operator sends a GET request to the admin listener.
func (in *instance) operator(path string) (int, string) {
	in.t.Helper()
	res, err := http.Get(in.admin + path)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestAdminReady(t *testing.T) {
	t.Parallel()
	var broken, without atomic.Bool
	in := start(t, options{config: func(c *transport.Config) {
		c.Degraded = func() map[string]func(context.Context) error {
			return map[string]func(context.Context) error{"cursors": func(context.Context) error {
				if without.Load() {
					return errors.New("nobody keeps them")
				}
				return nil
			}}
		}
		c.Ready = map[string]func(context.Context) error{
			"kafka": func(context.Context) error {
				if broken.Load() {
					return errors.New("no broker answers")
				}
				return nil
			},
			"redis": func(ctx context.Context) error {
				if _, ok := ctx.Deadline(); !ok {
					return errors.New("the check has no bound")
				}
				return nil
			},
		}
		c.DrainTimeout, c.DrainSpread = patience, 6*time.Second
	}})
	ready := func(status int, want string) {
		t.Helper()
		if got, body := in.operator("/readyz"); got != status || body != want+"\n" {
			t.Errorf("got %d %s, want %d %s", got, body, status, want)
		}
	}
	ready(200, `{"checks":{"cursors":"ok","drain":"ok","kafka":"ok","redis":"ok"},"ready":true}`)
	broken.Store(true)
	ready(503, `{"checks":{"cursors":"ok","drain":"ok","kafka":"no broker answers","redis":"ok"},"ready":false}`)
	broken.Store(false)
	without.Store(true)
	ready(200, `{"checks":{"cursors":"nobody keeps them","drain":"ok","kafka":"ok","redis":"ok"},"degraded":["cursors"],"ready":true}`)
	without.Store(false)
	if status, body := in.operator("/livez"); status != 200 || body != "{\"live\":true}\n" {
		t.Errorf("livez: %d %s", status, body)
	}
	all := make([]*stream, 8)
	for n := range all {
		all[n] = in.reads("/v1/streams/public.news/events", "")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- in.stop() }()
	in.eventually("it says that it goes", func() bool { status, _ := in.operator("/readyz"); return status == http.StatusServiceUnavailable })
	ready(503, `{"checks":{"cursors":"ok","drain":"the instance is shutting down","kafka":"ok","redis":"ok"},"ready":false}`)
	if status, _ := in.operator("/livez"); status != 200 {
		t.Errorf("livez while draining: %d", status)
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams", "", "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "draining")
	status, head, body = in.do(http.MethodGet, "/v1/streams/public.news/events", "", "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "draining")
	in.reads("/v1/streams/public.news/events?errors=stream", "").closesWith("draining", "resume", false)
	for _, s := range all {
		s.closesWith("draining", "resume", false)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestAdminOnly: the operators' routes are not served on the clients' listener.
func TestAdminOnly(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, path := range []string{
		"/livez", "/readyz", "/metrics", "/streams", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/goroutine?debug=1",
	} {
		if status, body := in.operator(path); status != http.StatusOK || body == "" {
			t.Errorf("%s for operators: %d", path, status)
		}
		if status, _, _ := in.do(http.MethodGet, path, token(t, "u42", "live", time.Hour), ""); status != http.StatusNotFound {
			t.Errorf("%s for clients: %d", path, status)
		}
	}
	if status, _ := in.operator("/v1/streams"); status != http.StatusNotFound {
		t.Errorf("a client's path for operators: %d", status)
	}
}

// TestAdminStreams: the fields have the names of the protocol's JSON.
func TestAdminStreams(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	s := in.reads("/v1/streams/public.news/events", "")
	in.publish("public.news", 0, 0, 3)
	s.offsets(3)
	var got struct {
		Streams  []map[string]any `json:"streams"`
		Sessions int              `json:"sessions"`
	}
	_, body := in.operator("/streams")
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	snake := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	found := false
	for _, stream := range got.Streams {
		for name := range stream {
			if !snake.MatchString(name) {
				t.Errorf("the field %s is not in snake case", name)
			}
		}
		if stream["stream"] != "public.news" {
			continue
		}
		found = true
		since, _ := stream["since"].(float64)
		if stream["live"] != true || stream["reading"] != true || stream["subscribers"] != 1.0 || stream["records_read"] != 3.0 ||
			stream["log_bytes"] == 0.0 || time.Since(time.UnixMilli(int64(since))) > time.Hour {
			t.Errorf("got %v", stream)
		}
	}
	if !found || got.Sessions != 1 {
		t.Errorf("got %s", body)
	}
}

// journal records what is logged.
type journal struct {
	mu sync.Mutex
	bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Buffer.Write(b)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.String()
}

// TestSecrets: a token, wherever a client sends it, is in no log, metric or answer.
func TestSecrets(t *testing.T) {
	t.Parallel()
	log := &journal{}
	in := start(t, options{config: func(c *transport.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Limits.ErrorsPerMinute = 0
	}})
	secrets := map[string]string{}
	for name, text := range map[string]string{
		"good": token(t, "u42", "live", time.Hour), "expired": expiredToken(t, "u42", "live"),
		"forged": token(t, "u42", "live", time.Hour) + "x", "not even one": "opaque-secret-0123456789-abcdefghijklmnopqrstuvwxyz",
	} {
		secrets[name] = text
	}
	answers := &bytes.Buffer{}
	ask := func(method, path, body string, header ...string) {
		t.Helper()
		if strings.Contains(path, "/events") {
			path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "foo=1" // so that the request is refused in any case
		}
		_, head, text := in.do(method, path, "", body, header...)
		fmt.Fprintln(answers, head, text)
	}
	for _, secret := range secrets {
		escaped := url.QueryEscape(secret)
		for _, path := range []string{"/v1/streams", "/v1/streams/orders/records", "/v1/streams/orders/events", "/v1/cursors/orders/a", "/v1/ws"} {
			ask("GET", path, "", "Authorization", "Bearer "+secret)
			ask("GET", path, "", "Authorization", secret)
			ask("GET", path, "", "Authorization", "ApiKey "+secret)
			ask("GET", path, "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
			ask("GET", path, "", "Cookie", auth.CookieName+"="+secret, "Origin", page)
			ask("GET", path, "", "Cookie", auth.CookieName+"="+secret, "Origin", "https://evil.example")
			ask("GET", path+"?access_token="+escaped, "")
			ask("GET", path+"?ticket="+escaped, "")
			ask("GET", path+"?ticket="+escaped, "", "Authorization", "Bearer "+secret)
			ask("GET", path+"?from="+escaped, "")
			ask("GET", path+"?cursor_name="+escaped, "")
			ask("GET", path, "", "Last-Event-ID", secret)
		}
		ask("POST", publishPath, secret, "Authorization", "Bearer "+secret, "Content-Type", "application/json")
		ask("POST", publishPath, `{"data":1,"message_id":"`+secret+`"}`, "Authorization", "Bearer "+secret, "Content-Type", "application/json")
		ask("PUT", "/v1/cursors/orders/a", `{"cursor":"`+secret+`"}`, "Authorization", "Bearer "+secret)
		ask("POST", "/v1/tickets", secret, "Authorization", "Bearer "+secret)
		ask("GET", "/v1/streams/"+escaped, "")
		ask("GET", "/v1/streams/"+escaped+"/events", "")
		ask("GET", "/v1/cursors/orders/"+escaped, "", "Authorization", "Bearer "+secrets["good"])

		for _, options := range []*websocket.DialOptions{
			{Subprotocols: []string{"sluice.v1.json", auth.SubprotocolPrefix + base64.RawURLEncoding.EncodeToString([]byte(secret))}},
			{HTTPHeader: http.Header{"Authorization": {"Bearer " + secret}, "Origin": {page}}},
			{},
		} {
			c, res, err := websocket.Dial(t.Context(), in.url+"/v1/ws", options) //nolint:bodyclose // it has none
			if res != nil {
				fmt.Fprintln(answers, res.Header)
			}
			if err != nil {
				fmt.Fprintln(answers, strings.ReplaceAll(err.Error(), in.url, ""))
				continue
			}
			for _, m := range []string{
				`{"type":"auth","id":"1","token":"` + secret + `"}`, `{"type":"auth","id":"2","token":"` + secret + `"}`, `{"type":"ping","id":"x"}`,
			} {
				_ = c.Write(t.Context(), websocket.MessageText, []byte(m))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			for {
				_, b, err := c.Read(ctx)
				if err != nil {
					fmt.Fprintln(answers, err)
					break
				}
				fmt.Fprintln(answers, string(b))
			}
			cancel()
			_ = c.CloseNow()
		}
	}
	_, metrics := in.operator("/metrics")
	_, streams := in.operator("/streams")
	if log.text() == "" || !strings.Contains(log.text(), `"code":"unauthenticated"`) {
		t.Errorf("nothing is logged: %s", log.text())
	}
	for name, secret := range secrets {
		parts := append(strings.Split(secret, "."), secret, url.QueryEscape(secret), base64.RawURLEncoding.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)))
		for _, part := range parts {
			for where, text := range map[string]string{"logs": log.text(), "metrics": metrics, "streams": streams, "answers": answers.String()} {
				if i := strings.Index(text, part); i >= 0 {
					t.Errorf("the %s token is in the %s: …%s…", name, where, text[max(0, i-200):min(len(text), i+100)])
				}
			}
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(log.text()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("a log line is cut: %q", line)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	in := start(t, options{config: func(c *transport.Config) { c.Registry = registry }})
	live := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 5)
	s := in.reads("/v1/streams/orders/events?from=earliest", live)
	s.offsets(5)
	lines := in.reads("/v1/streams/orders/events", live, "Accept", "application/x-ndjson")
	if _, err := lines.lines.ReadString('\n'); err != nil {
		t.Error(err)
	}
	in.page("orders", "", live)
	const evil = "evil-5b1c"
	for _, path := range []string{
		"/v1/streams/" + evil, "/v1/streams/orders/records?" + evil + "=1", "/v1/streams/orders/records?from=" + evil, "/" + evil,
		"/v1/cursors/orders/" + evil, "/v1/streams/orders/records?key=" + evil, "/v1/events?stream=" + evil,
	} {
		in.do(http.MethodGet, path, live, "", "X-Forwarded-For", evil, "User-Agent", evil, "Origin", "https://"+evil)
	}
	in.do(http.MethodPost, publishPath+"?key="+evil+"&header."+evil+"=1", live, evil)
	in.do(evil, "/v1/streams", live, "")
	for series, want := range map[string]float64{
		`sluice_sessions{protocol="sse"}`:                   1,
		`sluice_sessions{protocol="ndjson"}`:                1,
		`sluice_sessions{protocol="websocket"}`:             0,
		`sluice_subscriptions`:                              2,
		`sluice_stream_subscribers{stream="orders"}`:        2,
		`sluice_stream_live{stream="orders"}`:               1,
		`sluice_faults_total{code="unknown_stream"}`:        2,
		`sluice_faults_total{code="cursor_lost"}`:           1,
		`sluice_publishes_total{result="stored"}`:           1,
		`sluice_publish_seconds_count`:                      1,
		`sluice_stream_records_read_total{stream="hidden"}`: 0,
	} {
		in.eventually(series, func() bool { return in.metric(series) == want })
	}
	if in.metric(`sluice_events_sent_total{protocol="sse"}`) < 5 || in.metric(`sluice_sent_bytes_total{protocol="sse"}`) < 500 ||
		in.metric(`sluice_events_sent_total{protocol="page"}`) < 5 {
		t.Error("what is delivered is not counted")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Error(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "sluice_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	_, text := in.operator("/metrics")
	if i := strings.Index(text, evil); i >= 0 {
		t.Errorf("what a client says is in the metrics: …%s", text[max(0, i-100):i+20])
	}
}
