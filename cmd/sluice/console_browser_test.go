package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

// consolePage is the console of a server in Chromium.
type consolePage struct {
	t   *testing.T
	ctx context.Context
}

// newConsole runs dev, and opens a view of its console.
func newConsole(t *testing.T, view string) *consolePage {
	t.Helper()
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
	return openConsole(t, url, view)
}

// newClosedConsole runs a server that requires tokens, and opens its console. It returns what
// makes tokens of an issuer, with which shop.orders can be read.
func newClosedConsole(t *testing.T, view string) (c *consolePage, mint func(issuer string, validFor time.Duration) string) {
	t.Helper()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	secret := strings.Repeat("k", 32)
	file := filepath.Join(t.TempDir(), "fleet.key")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
redis: {url: "redis://%s/0"}
auth: {issuers: [{issuer: fleet, audience: sluice, algorithms: [HS256], secret_file: %q}]}
grants: [{when: {scope: live}, subscribe: [orders], publish: [orders], replay: 24h}]
streams: {orders: {topic: shop.orders, content: json}}
drain: {timeout: 1s, spread: 0s}
`, servers.Brokers[0], servers.RedisAddr, file)})
	if err != nil {
		t.Fatal(err)
	}
	listening := make(chan net.Addr, 1)
	a, err := app.New(loaded, app.Options{Listening: func(at net.Addr) { listening <- at }})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	// By hand, as no minter makes one that has expired.
	mint = func(issuer string, validFor time.Duration) string {
		encode := base64.RawURLEncoding.EncodeToString
		signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
			`{"iss":%q,"aud":"sluice","sub":"u42","scope":"live","exp":%d}`, issuer, time.Now().Add(validFor).Unix()))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(signed))
		return signed + "." + encode(mac.Sum(nil))
	}
	return openConsole(t, "http://"+(<-listening).String()+"/", view), mint
}

// openConsole opens a view of a console, whose exceptions fail the test.
func openConsole(t *testing.T, url, view string) *consolePage {
	t.Helper()
	ctx := startChromium(t, program(t, "chromium"))
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
	return &consolePage{t: t, ctx: ctx}
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
	c.run(`document.getElementById("trial-clear").click(); document.getElementById("trial").requestSubmit()`)
	c.until(`document.querySelectorAll(".frame.in").length > 12 && document.getElementById("trial-state").textContent.includes("live") && /Records[1-9]/.test(document.getElementById("trial-state").textContent)`)
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

// TestConsoleHidesTheToken: with a token that is pasted, the frames of each transport are
// shown without it, and so is what is copied of them.
func TestConsoleHidesTheToken(t *testing.T) {
	t.Parallel()
	c, mint := newClosedConsole(t, "live")
	token := mint("fleet", time.Hour)
	// Any view leads to where a token can be given, and what is wrong with one is said.
	c.until(`document.getElementById("connect-fault")?.textContent.includes("nobody in without a token")`)
	for token, want := range map[string]string{
		mint("fleet", -time.Hour): "The token has expired. Get another one", mint("other", time.Hour): "Is other an issuer that the server knows",
		token[:len(token)-3]: "was all of it copied?", "made.up.token": "This is not a JWT", "opaque": "This is not a JWT",
	} {
		c.set("connect-token", token)
		// The view is opened anew with the answer.
		c.run(`document.getElementById("connect-fault").textContent = ""; document.getElementById("connect-token-form").requestSubmit()`)
		c.until(fmt.Sprintf(`document.getElementById("connect-fault")?.textContent.includes(%q)`, want))
	}
	c.set("connect-token", token)
	c.run(`document.getElementById("connect-token-form").requestSubmit()`)
	c.until(`document.querySelector("[aria-current=page]").textContent === "Live"`)
	c.run(`location.hash = "#connect"`)
	c.until(`document.getElementById("trial-stream") !== null`)
	c.until(`document.getElementById("trial-stream").value === "orders" && document.getElementById("connect-principal").textContent.includes("u42") && document.getElementById("connect-expiry").textContent.startsWith("in ")`)
	c.run(`window.copied = []; navigator.clipboard.writeText = async (text) => { copied.push(text); }`)
	signature := token[strings.LastIndexByte(token, '.')+1:]
	for _, transport := range []string{"websocket", "sse", "pages"} {
		c.set("trial-transport", transport)
		c.run(`document.getElementById("trial-clear").click(); document.getElementById("trial").requestSubmit()`)
		c.until(`document.getElementById("trial-state").textContent.includes("live") && document.querySelectorAll(".frame.out").length > 0`)
		c.run(`document.getElementById("trial-drop").click()`)
		c.until(`document.querySelector(".verdict")?.textContent.includes("0 repeated, 0 lost")`)
		c.run(`document.getElementById("trial-copy").click()`)
		c.until(fmt.Sprintf(`!(document.documentElement.outerHTML + copied.join() + location.href).includes(%q)`, signature))
	}
	c.until(`copied.length === 3 && copied[0].includes('"type":"auth","id":"0","token":"•••"')`)
}

// TestConsoleMakesATokenAndUsesIt: in dev, with rights that are fewer than everybody's.
func TestConsoleMakesATokenAndUsesIt(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "connect")
	c.until(`document.getElementById("connect-mint")?.checkVisibility() && document.getElementById("trial-stream").value !== ""`)
	c.set("mint-sub", "ops")
	c.set("mint-subscribe", "market.*")
	c.set("mint-publish", "chat.lobby")
	c.set("mint-replay", "1h")
	c.set("mint-filter", `offset % 2 == 0`)
	c.set("mint-claims", `{"role": "trader"}`)
	c.run(`document.getElementById("mint-admin").click(); document.getElementById("connect-mint-form").requestSubmit()`)
	c.until(`document.getElementById("connect-principal").textContent.includes("ops") && document.getElementById("connect-claims").textContent.includes("trader")`)
	c.until(`[...document.querySelectorAll("#connect-rights tbody tr")].map((tr) => tr.innerText.replace(/\s+/g, " ")).join("|").includes("market.ticks yes no 1 h only some records")`)
	c.until(`/^in (9|10) min/.test(document.getElementById("connect-expiry").textContent)`)
	c.picture("connect-minted")
	c.set("trial-from", "last:10")
	c.run(`document.getElementById("trial").requestSubmit()`)
	c.until(`document.getElementById("trial-state").textContent.includes("live") && /Records\d\d/.test(document.getElementById("trial-state").textContent)`)
	c.run(`document.getElementById("trial-drop").click()`)
	c.until(`/0 repeated, 0 lost/.test(document.querySelector(".verdict")?.textContent ?? "")`)
	c.run(`document.getElementById("connect-forget").click()`)
	c.until(`document.getElementById("connect-principal").textContent.includes("anonymous") && document.getElementById("connect-token").value === ""`)
}

// TestConsoleByKeyboard: a record is filled in and published, and a connection is made and
// cut, with keys alone, at twice the size, and every control has a name.
func TestConsoleByKeyboard(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "publish?stream=iot.telemetry")
	// What 200 % is on a screen of 1280 by 900.
	if err := chromedp.Do(c.ctx, chromedp.EmulateViewport(640, 450, chromedp.EmulateScale(2))); err != nil {
		t.Fatal(err)
	}
	c.until(`document.querySelectorAll("#publish-form input").length > 5`)
	// tab moves the focus to the control that an expression finds.
	tab := func(control string) {
		t.Helper()
		for range 60 {
			c.press(kb.Tab)
			is, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](`document.activeElement === `+control))
			if err == nil && is {
				return
			}
		}
		t.Fatalf("the key Tab never comes to %s", control)
	}
	const temperature = `[...document.querySelectorAll("#publish-form input")].find((i) => i.labels[0]?.textContent.startsWith("temp_c"))`
	tab(temperature)
	c.press("a", chromedp.ModifierCtrl)
	c.press("21.50")
	tab(`[...document.querySelectorAll("#publish-form button")].find((b) => b.textContent === "Add")`)
	c.press("\r")
	c.until(`document.activeElement.closest("#publish-form") !== null && document.getElementById("publish-data").value.includes('"lon": 0')`)
	c.press("\r", chromedp.ModifierCtrl)
	c.until(`document.getElementById("publish-result").textContent.startsWith("Stored in partition")`)
	c.fits(640)
	c.picture("publish-zoom")

	c.run(`location.hash = "#connect"`)
	c.until(`document.getElementById("trial-stream")?.value`)
	tab(`document.getElementById("trial-start")`)
	c.press("\r")
	c.until(`document.getElementById("trial-state").textContent.includes("live")`)
	tab(`document.getElementById("trial-drop")`)
	c.press(" ")
	c.until(`document.querySelector(".verdict")?.textContent.includes("0 repeated, 0 lost")`)
	c.fits(640)
	c.picture("connect-zoom")
	if err := chromedp.Do(c.ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	c.run(`document.getElementById("theme").click(); document.getElementById("trial-state").scrollIntoView()`)
	c.fits(390)
	c.picture("connect-phone-dark")
}

// press presses keys.
func (c *consolePage) press(keys string, modifiers ...chromedp.Modifier) {
	c.t.Helper()
	if err := chromedp.Do(c.ctx, chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...))); err != nil {
		c.t.Fatal(err)
	}
}

// fits waits until nothing is wider than the page, and checks the names of its controls.
func (c *consolePage) fits(width int) {
	c.t.Helper()
	c.until(fmt.Sprintf(`document.documentElement.scrollWidth <= %d`, width))
	c.until(`[...document.querySelectorAll("#view :is(input, select, textarea)")].every((e) => e.labels?.length || e.getAttribute("aria-label"))`)
	c.until(`[...document.querySelectorAll("#view :is([aria-describedby], [aria-labelledby])")].every((e) => [e.getAttribute("aria-describedby"), e.getAttribute("aria-labelledby")].join(" ").split(" ").every((id) => !id || document.getElementById(id)))`)
}
