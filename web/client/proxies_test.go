package client_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/bench/stack"
)

// documented returns the configuration of nginx in the documents, with other addresses.
func documented(t *testing.T, listen, server string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(page)
	if block == nil || strings.Count(string(block[1]), "127.0.0.1:") != 2 {
		t.Fatalf("proxies.md has %q", block)
	}
	return strings.NewReplacer("127.0.0.1:8081", listen, "127.0.0.1:8080", server).Replace(string(block[1]))
}

// TestTransportsThroughNginx: the documented configuration has all that is needed. Where a proxy knows no WebSockets, records come by event
// streams, and where it holds these back, by pages.
func TestTransportsThroughNginx(t *testing.T) {
	t.Parallel()
	nginx := program(t, "nginx")
	ctx, origin := browser(t, t.TempDir())
	w := newWorld(t, origin)
	dir := t.TempDir()
	ports := map[string]string{}
	servers := ""
	for transport, directives := range map[string]string{
		"websocket": "",
		"sse":       ``,
		"pages":     `proxy_ignore_headers X-Accel-Buffering; proxy_buffers 8 64k; proxy_buffer_size 64k;`,
	} {
		addr, err := stack.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		ports[transport] = addr
		if transport == "websocket" {
			servers += documented(t, ports[transport], w.wire.Addr().String())
			continue
		}
		servers += fmt.Sprintf("server { listen %s; location / { proxy_pass http://%s; proxy_http_version 1.1; %s } }\n", ports[transport], w.wire.Addr(), directives)
	}
	write(t, dir, "nginx.conf", `
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
`+servers+`}`)
	proxy := stack.NewServer(stack.Command{
		Name: "nginx", Dir: dir, Args: []string{nginx, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr"},
		Ready: listens(ports["pages"]), // it listens at all of them before it answers
	})
	if err := proxy.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Kill() })
	w.visit(ctx, t, "sluice.js")
	for transport, at := range ports {
		evaluate(ctx, t, fmt.Sprintf(`
const sluice = client.connect("http://%[2]s", {backoff: {min: 50, max: 500}});
sluice.on("state", ({transport}) => results.%[1]s = transport);
window.%[1]s = follow(sluice, "orders", {from: "earliest"})`, transport, at))
	}
	for transport := range ports {
		until(ctx, t, fmt.Sprintf("results.%[1]s === %[1]q && %[1]s.states.at(-1) === 'live'", transport))
	}
	n := func() int64 {
		stop := w.produce("orders", 100*time.Millisecond)
		time.Sleep(2 * time.Second)
		return stop()
	}()
	for transport := range ports {
		whole(ctx, t, transport, n)
	}
}
