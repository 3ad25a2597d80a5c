package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/segmentio/kafka-go"

	"sluice/auth"
	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

const credentialsPage = "web/docs/credentials.md"

// credentialScripts returns the scripts of the page on credentials.
func credentialScripts(t *testing.T) (ticket, cookie snippet) {
	t.Helper()
	var scripts []snippet
	for _, s := range snippets(t, credentialsPage) {
		if s.kind == "js" {
			scripts = append(scripts, s)
		}
	}
	if len(scripts) != 2 || !strings.Contains(scripts[0].text, "/v1/tickets") || !strings.Contains(scripts[1].text, "/v1/cookie") {
		t.Fatalf("%s has %d scripts", credentialsPage, len(scripts))
	}
	return scripts[0], scripts[1]
}

// site is the part of the web in a test: all names resolve to this machine, and their
// certificates are trusted.
type site struct {
	t                   *testing.T
	ctx                 context.Context
	api, page, evilPage string // origins
	stranger            string // one of the same site as api that is not listed
	token               string
	broker              string
}

// newSite starts a server with tickets and the cookie, pages of several origins, and
// Chromium.
func newSite(t *testing.T) *site {
	t.Helper()
	chromium := program(t, "chromium")
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	pages := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>a page</title>")
	}))
	t.Cleanup(pages.Close)
	port := pages.Listener.Addr().(*net.TCPAddr).Port
	s := &site{
		t: t, page: fmt.Sprintf("https://app.example.test:%d", port), evilPage: fmt.Sprintf("https://evil.test:%d", port),
		stranger: fmt.Sprintf("https://other.example.test:%d", port), broker: servers.Brokers[0],
	}
	dir := t.TempDir()
	cert, key := newCertificate(t)
	secret := strings.Repeat("k", 32)
	for name, text := range map[string][]byte{"server.crt": cert, "server.key": key, "fleet.key": []byte(secret)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
tls: {cert_file: server.crt, key_file: server.key}
origins: [%q]
kafka: {brokers: [%q]}
redis: {url: "redis://%s/0"}
auth:
  issuers: [{issuer: fleet, audience: sluice, algorithms: [HS256], secret_file: fleet.key}]
  tickets: true
  cookie: {same_site: none}
grants: [{when: {scope: live}, subscribe: [orders], replay: 24h}]
streams: {orders: {topic: shop.orders, content: json}}
drain: {timeout: 1s, spread: 0s}
`, s.page, servers.Brokers[0], servers.RedisAddr), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{File: file, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	listening := make(chan net.Addr, 1)
	a, err := app.New(c, app.Options{Listening: func(at net.Addr) { listening <- at }})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s.api = fmt.Sprintf("https://api.example.test:%d", (<-listening).(*net.TCPAddr).Port)
	if s.token, err = auth.Mint(auth.NewSecret(secret), auth.TokenClaims{
		Issuer: "fleet", Audience: "sluice", Subject: "u42", ValidFor: time.Hour, More: map[string]any{"scope": "live"},
	}); err != nil {
		t.Fatal(err)
	}
	s.ctx = startChromium(t, chromium)
	return s
}

// startChromium starts a Chromium for which all names are this machine.
func startChromium(t *testing.T, chromium string) context.Context {
	t.Helper()
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WSURLReadTimeout(soon),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		flags = append(flags, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	// Of the whole test, each step of which has soon.
	ctx, cancel := context.WithTimeout(ctx, 4*soon)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// visit shows a page, in which log collects what is printed and events what an
// EventSource receives.
func (s *site) visit(origin string) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, chromedp.Navigate(origin+"/")); err != nil {
		s.t.Fatal(err)
	}
	s.evaluate(fmt.Sprintf(`window.printed = []; window.token = %q; console.log = (what) => printed.push(String(what)); 0`, s.token))
}

func (s *site) evaluate(script string) {
	s.t.Helper()
	if _, err := chromedp.Run(s.ctx, chromedp.Evaluate[any](script)); err != nil {
		s.t.Fatalf("%v in %s", err, script)
	}
}

// begin runs a script that can wait, in the background.
func (s *site) begin(script string) {
	s.t.Helper()
	s.evaluate(`(async () => {` + strings.ReplaceAll(script, "https://sluice.example.com", s.api) + "\n" +
		`})().catch((e) => printed.push("failed: " + e)); 0`)
}

func (s *site) until(expression string) {
	s.t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		is, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			seen, _ := chromedp.Run(s.ctx, chromedp.Evaluate[string]("JSON.stringify(printed)"))
			s.t.Fatalf("never came true: %s (%v)\n%.2000s", expression, err, seen)
		}
	}
}

// produce stores records until the test has seen one.
func (s *site) produce() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	writer := &kafka.Writer{Addr: kafka.TCP(s.broker), Topic: "shop.orders", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			_ = writer.WriteMessages(ctx, kafka.Message{Key: []byte("k"), Value: fmt.Appendf(nil, `{"n":%d}`, n)})
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() {
		cancel()
		<-done
		_ = writer.Close()
	}
}

// TestBrowserCredentials: the scripts of the page on credentials work in a page of a
// listed origin, and nothing of them in any other page, also of the same site and after
// the user has logged in from the listed one.
func TestBrowserCredentials(t *testing.T) {
	t.Parallel()
	ticket, cookie := credentialScripts(t)
	s := newSite(t)
	defer s.produce()()

	// A page that is not listed can neither log in nor listen. It may not even read why.
	const tryCookie = `
try {
  const answer = await fetch("https://sluice.example.com/v1/cookie", {method: "POST", credentials: "include", headers: {Authorization: "Bearer " + token}});
  printed.push("status " + answer.status);
} catch (e) { printed.push("cookie: " + e); }
try {
  // Without a preflight, the request is sent.
  await fetch("https://sluice.example.com/v1/cookie", {method: "POST", credentials: "include", mode: "no-cors"});
  const answer = await fetch("https://sluice.example.com/v1/streams", {credentials: "include"});
  printed.push("status " + answer.status);
} catch (e) { printed.push("streams: " + e); }
try {
  const answer = await fetch("https://sluice.example.com/v1/tickets", {method: "POST", credentials: "include"});
  printed.push("status " + answer.status);
} catch (e) { printed.push("ticket: " + e); }
const events = new EventSource("https://sluice.example.com/v1/streams/orders/events?errors=stream", {withCredentials: true});
events.onmessage = () => printed.push("a record");
events.onopen = () => printed.push("opened");
events.onerror = () => printed.push("error " + events.readyState);`
	excluded := func(when string) {
		t.Helper()
		for _, origin := range []string{s.stranger, s.evilPage} {
			s.visit(origin)
			s.begin(tryCookie)
			s.until(`printed.some((line) => line === "error 2")`)
			s.until(`printed.filter((line) => line.includes("TypeError: Failed to fetch")).length === 3 && printed.length === 4`)
			// A WebSocket is no subject to CORS, and is refused by its Origin.
			s.begin(`const ws = new WebSocket("https://sluice.example.com/v1/ws?stream=orders".replace("https:", "wss:"));
ws.onmessage = (m) => printed.push(m.data); ws.onclose = (e) => printed.push("closed " + e.code);`)
			s.until(`printed.some((line) => line === "closed 4503")`)
			s.until(`!printed.some((line) => line.includes('"type":"event"') || line.includes("welcome"))`)
		}
	}
	excluded("before anybody has logged in")

	s.visit(s.page)
	s.begin(cookie.text)
	s.until(`printed.some((line) => line.includes('"stream":"orders"'))`)
	s.evaluate(`if (document.cookie.includes("sluice")) throw "scripts can read the cookie"`)
	excluded("while the browser has the cookie")

	s.visit(s.page)
	s.begin(`const answer = await fetch("https://sluice.example.com/v1/streams", {credentials: "include"}); printed.push("status " + answer.status);
const out = await fetch("https://sluice.example.com/v1/cookie", {method: "DELETE", credentials: "include"}); printed.push("out " + out.status);
const after = await fetch("https://sluice.example.com/v1/streams", {credentials: "include"}); printed.push("after " + after.status);`)
	s.until(`printed.join() === "status 200,out 204,after 401"`)

	s.visit(s.page)
	s.begin(ticket.text)
	s.until(`printed.some((line) => line.includes('"stream":"orders"'))`)
	// A ticket in a URL is used up by the request that it opened.
	s.begin(`const answer = await fetch("https://sluice.example.com/v1/tickets", {method: "POST", headers: {Authorization: "Bearer " + token}});
const address = "https://sluice.example.com/v1/streams?ticket=" + (await answer.json()).ticket;
printed = []; console.log = () => 0;
printed.push((await fetch(address)).status); printed.push((await fetch(address)).status);`)
	s.until(`printed.join() === "200,401"`)
}

// TestCookiePrefixOverHTTP: Chromium keeps the cookie over http from its own machine only,
// and so the server sets it there.
func TestCookiePrefixOverHTTP(t *testing.T) {
	t.Parallel()
	ctx := startChromium(t, program(t, "chromium"))
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/set":
			for _, name := range []string{auth.CookieName, "secure", "plain"} {
				http.SetCookie(w, &http.Cookie{Name: name, Value: "1", Path: "/", Secure: name != "plain", HttpOnly: true})
			}
		case "/show":
			var names []string
			for _, c := range r.Cookies() {
				names = append(names, c.Name)
			}
			got <- strings.Join(names, " ")
		}
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"127.0.0.1": auth.CookieName + " secure plain", "localhost": auth.CookieName + " secure plain", "sluice.test": "plain"} {
		for _, path := range []string{"/set", "/show"} {
			if err := chromedp.Do(ctx, chromedp.Navigate("http://"+net.JoinHostPort(host, port)+path)); err != nil {
				t.Fatal(err)
			}
		}
		names := <-got
		if names != want {
			t.Errorf("over http from %s the browser keeps %q, want %q", host, names, want)
		}
	}
}
