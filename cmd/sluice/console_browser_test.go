package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// consolePage is the console of a server in Chromium.
type consolePage struct {
	t   *testing.T
	ctx context.Context
	url string
}

// newConsole runs dev, and opens a view of its console.
func newConsole(t *testing.T, view string) *consolePage {
	t.Helper()
	ctx := startChromium(t, program(t, "chromium"))
	running, stop := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- runDev(running, devFlags{
			listen: "127.0.0.1:0", admin: "127.0.0.1:0", kafkaListen: "127.0.0.1:0", level: "warn", seed: 1,
		}, out, &errs)
		_ = out.Close()
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%v\n%s", err, &errs)
		}
	})
	url := regexp.MustCompile(`http://[^\s']+`).FindString(readUntil(t, printed, "Ctrl-C"))
	go func() { _, _ = io.Copy(io.Discard, printed) }()
	err := chromedp.Listen(ctx, func(event any) {
		if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("%s:%d: %s %+v", thrown.ExceptionDetails.URL, thrown.ExceptionDetails.LineNumber, thrown.ExceptionDetails.Text, thrown.ExceptionDetails.Exception)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url+"#"+view)); err != nil {
		t.Fatal(err)
	}
	return &consolePage{t: t, ctx: ctx, url: url}
}

// until waits until an expression is true in the page.
func (c *consolePage) until(expression string) {
	c.t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		is, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(c.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			c.t.Fatalf("never came true: %s (%v)\n%.3000s", expression, err, text)
		}
	}
}

// run runs statements in the page.
func (c *consolePage) run(script string) {
	c.t.Helper()
	if _, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool]("(() => {"+script+"})(), true")); err != nil {
		c.t.Fatalf("%v in %s", err, script)
	}
}

// set sets a control, as if somebody had typed.
func (c *consolePage) set(id, text string) {
	c.t.Helper()
	c.run(fmt.Sprintf(`const c = document.getElementById(%q); c.value = %q; for (const e of ["input", "change"]) c.dispatchEvent(new Event(e, {bubbles: true}))`, id, text))
}

// picture saves a screenshot if SLUICE_SCREENSHOTS names a directory.
func (c *consolePage) picture(name string) {
	c.t.Helper()
	dir := os.Getenv("SLUICE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(c.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		c.t.Error(err)
	}
}

// TestConsoleTrialConnection: by each transport the frames are shown, and a connection that
// is cut goes on where it was, with nothing twice and nothing missing.
func TestConsoleTrialConnection(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "connect")
	c.until(`[...(document.getElementById("trial-stream")?.options ?? [])].some((o) => o.value === "market.ticks")`)
	c.set("trial-stream", "market.ticks")
	for _, transport := range []string{"websocket", "sse", "pages"} {
		c.set("trial-transport", transport)
		c.set("trial-from", "last:10")
		c.run(`document.getElementById("trial-clear").click(); document.getElementById("trial").requestSubmit()`)
		c.until(`document.getElementById("trial-state").textContent.includes("live") && document.querySelectorAll(".frame.in").length > 12`)
		c.until(fmt.Sprintf(`document.getElementById("trial-state").textContent.includes(%q)`, transport))
		for range 2 {
			c.run(`document.getElementById("trial-resume").replaceChildren(); document.getElementById("trial-drop").click()`)
			c.until(`/^Resumed after \d+ ms: 0 repeated, 0 lost, 0 gaps/.test(document.querySelector(".verdict")?.textContent ?? "")`)
			c.until(`document.querySelector("#trial-resume code").textContent.startsWith("v1.") && document.querySelectorAll("#trial-resume tbody tr").length > 1`)
		}
		c.picture("connect-" + transport)
		c.run(`document.getElementById("trial-stop").click()`)
	}

	// A filter leaves holes in the offsets, which are no losses.
	c.set("trial-transport", "websocket")
	c.set("trial-filter", `offset % 3 == 0`)
	c.run(`document.getElementById("trial").requestSubmit()`)
	c.until(`document.getElementById("trial-state").textContent.includes("live") && /Records[1-9]/.test(document.getElementById("trial-state").textContent)`)
	c.run(`document.getElementById("trial-resume").replaceChildren(); document.getElementById("trial-drop").click()`)
	c.until(`/^Resumed after \d+ ms: 0 repeated, 0 lost, 0 gaps/.test(document.querySelector(".verdict")?.textContent ?? "")`)

	// What is wrong with a request is said in the server's words.
	c.set("trial-filter", `offset %`)
	c.run(`document.getElementById("trial").requestSubmit()`)
	c.until(`document.getElementById("trial-note").textContent.includes("bad_filter")`)
}

// TestConsolePublishesToADemoStream: the server's own violations are shown at their fields,
// and the record is shown as the server sends it back.
func TestConsolePublishesToADemoStream(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "publish?stream=iot.telemetry")
	c.until(`document.querySelectorAll("#publish-form input").length > 5`)
	c.set("publish-data", `{"seq": 1.5, "position": {"lat": 91, "lon": 7}}`)
	c.run(`document.getElementById("publish").requestSubmit()`)
	c.until(`document.querySelectorAll("#publish-form [aria-invalid=true]").length === 3 && document.querySelectorAll("#publish-faults li").length === 3`)
	c.until(`document.activeElement.getAttribute("aria-invalid") === "true"`)
	c.set("publish-data", `{"seq": 9007199254740993, "temp_c": 1.10}`)
	c.run(`document.getElementById("publish").requestSubmit()`)
	c.until(`document.getElementById("publish-result").textContent.startsWith("Stored in partition") && document.querySelectorAll("#publish-form [aria-invalid=true]").length === 0`)
	c.until(`document.getElementById("publish-echo-record").textContent.includes('"temp_c": 1.10') && document.getElementById("publish-echo-record").textContent.includes("9007199254740993")`)
	c.picture("publish-dev")

	// A dead letter is none of the stream.
	c.set("publish-stream", "chat.lobby")
	c.until(`document.getElementById("publish-formed").hidden`)
	c.set("publish-data", `"`+string(bytes.Repeat([]byte("x"), 5000))+`"`)
	c.run(`document.getElementById("publish").requestSubmit()`)
	c.until(`document.getElementById("publish-faults-title").textContent.includes("dead letter")`)
	c.picture("publish-dead-letter")
}
