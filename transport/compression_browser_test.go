package transport_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sluice/transport"
)

// inBrowser starts a server, and a Chromium that shows a page of it.
func inBrowser(t *testing.T, page string) (*instance, context.Context) {
	t.Helper()
	return browsing(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
}

// browsing is inBrowser with the handler of all pages.
func browsing(t *testing.T, pages http.HandlerFunc) (*instance, context.Context) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Debian's package chromium is needed")
		}
		t.Skip("Debian's package chromium is not installed, so no browser listens")
	}
	in := start(t, options{config: func(c *transport.Config) {
		compressing(c)
		c.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del("Content-Security-Policy") // the pages have scripts
			pages(w, r)
		})
	}})
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun)
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		flags = append(flags, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(in.url)); err != nil {
		t.Fatal(err)
	}
	return in, ctx
}

// shows waits until an expression is true in the page.
func shows(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && got {
			return
		}
		if time.Now().After(deadline) {
			seen, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify({got, others, n: got.length})"))
			t.Fatalf("never came true: %s (%v)\n%.2000s", expression, err, seen)
		}
	}
}

// inOrder returns an expression that is true in a page that has received n events,
// each once.
func inOrder(n int) string {
	return fmt.Sprintf("got.length === %d && got.every((offset, i) => offset === i)", n)
}

// TestCompressedInABrowser: a browser's EventSource receives every record, the
// heartbeats and the end at once.
func TestCompressedInABrowser(t *testing.T) {
	t.Parallel()
	in, ctx := inBrowser(t, `<!doctype html><script>
const got = [], others = [];
const source = new EventSource("/v1/streams/public.news/events?from=earliest&heartbeat=1s");
source.onmessage = e => got.push(JSON.parse(e.data).offset);
for (const name of ["ready", "caught_up", "cursor", "close"])
  source.addEventListener("sluice." + name, e => others.push(name));
</script>`)
	shows(ctx, t, `others.includes("caught_up")`)
	const one, all = 40, 1040
	for n := range one {
		in.publish("public.news", 0, n, n+1)
		shows(ctx, t, inOrder(n+1))
	}
	in.publish("public.news", 0, one, all)
	shows(ctx, t, inOrder(all))
	shows(ctx, t, `others.includes("cursor")`)
	if in.metric(`sluice_compressed_bytes_total{protocol="sse"}`) == 0 {
		t.Error("nothing was compressed")
	}
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	shows(ctx, t, `others.includes("close")`)
}

// TestDeflatedInABrowser: a browser negotiates permessage-deflate and receives every
// record at once.
func TestDeflatedInABrowser(t *testing.T) {
	t.Parallel()
	in, ctx := inBrowser(t, `<!doctype html><script>
const got = [], others = [];
const socket = new WebSocket("/v1/ws?stream=public.news&from=earliest");
socket.onopen = () => socket.send(JSON.stringify({type: "ping", id: "x".repeat(60)})); // compressed too
socket.onmessage = e => {
  const m = JSON.parse(e.data);
  if (m.type === "event") got.push(m.offset); else others.push(m.type);
};
socket.onclose = e => others.push("closed with " + e.code);
</script>`)
	shows(ctx, t, `others.includes("caught_up")`)
	shows(ctx, t, `socket.extensions.startsWith("permessage-deflate")`)
	const one, all = 40, 2040
	for n := range one {
		in.publish("public.news", 0, n, n+1)
		shows(ctx, t, inOrder(n+1))
	}
	in.publish("public.news", 0, one, all)
	shows(ctx, t, inOrder(all))
	if in.metric(`sluice_compressed_bytes_total{protocol="websocket"}`) == 0 {
		t.Error("nothing was compressed")
	}
	shows(ctx, t, `others.includes("pong")`)
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	shows(ctx, t, `others.at(-1) === "closed with 1012"`)
}
