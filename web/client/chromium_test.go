package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser starts a Chromium without a window, and opens a page in which the client and
// the files of dir can be imported.
func browser(t *testing.T, dir string) (ctx context.Context, origin string) {
	t.Helper()
	unpack(t, filepath.Join(dir, "client"))
	write(t, dir, "index.html", "<!doctype html><title>client</title>")
	files := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(files.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t, "chromium")), chromedp.NoSandbox)
	for _, flag := range []string{"disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(files.URL+"/")); err != nil {
		t.Fatal(err)
	}
	return ctx, files.URL
}

// evaluate runs statements in the page, in which await can be used and whose results are
// in the object named results.
func evaluate(ctx context.Context, t *testing.T, statements string) {
	t.Helper()
	script := `window.results ??= {}; (async () => {` + statements + `})().catch((e) => { results.fault = String(e) }); true`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); err != nil {
		t.Fatal(err)
	}
}

// until waits until an expression is true in the page.
func until(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		fault, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("results.fault ?? ''"))
		if fault != "" || time.Now().After(deadline) {
			seen, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify(results).slice(-3000)"))
			t.Fatalf("never came true: %s (%v)\n%s", expression, err, seen)
		}
	}
}

// TestConformanceInChromium runs all cases in a page.
func TestConformanceInChromium(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, err := os.ReadFile("conformance/run.js")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "run.js", string(script))
	ctx, _ := browser(t, dir)
	evaluate(ctx, t, `Object.assign(window, await import("/run.js"), {client: await import("/client/sluice.js")}); results.ready = true`)
	until(ctx, t, "results.ready")
	for i, c := range cases(t) {
		s := newScripted(t, c)
		evaluate(ctx, t, fmt.Sprintf(`results[%d] = JSON.stringify(await run(client, %q, %s))`, i, s.URL, c.raw))
		until(ctx, t, fmt.Sprintf("results[%d] || results.fault", i))
		items, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("results[%d] ?? JSON.stringify(results)", i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(c.file+" "+c.Name, func(t *testing.T) { s.check(t, c, json.RawMessage(items)) })
	}
}
