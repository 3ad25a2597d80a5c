package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts a Chromium without a window.
func browser(t *testing.T) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Debian's package chromium is needed")
		}
		t.Skip("Debian's package chromium is not installed, so no browser shows the page")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(1280, 860))
	for _, flag := range []string{"disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stopBrowser := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stopBrowser)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// until waits until an expression is true in the page.
func until(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && got {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("never came true: %s (%v)\n%s", expression, err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// run evaluates an expression for its side effects.
func run(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(()=>{"+expression+"})(), true")); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
}

// picture saves a screenshot if SLUICE_SCREENSHOTS names a directory.
func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SLUICE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

const stateIs = `document.getElementById("state").dataset.state === `

// faultless fails the test at its end if a script of the page has thrown something.
func faultless(ctx context.Context, t *testing.T) {
	t.Helper()
	var mu sync.Mutex
	var faults []string
	err := chromedp.Listen(ctx, func(event any) {
		if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, fmt.Sprintf("%s:%d: %s %+v", thrown.ExceptionDetails.URL, thrown.ExceptionDetails.LineNumber,
				thrown.ExceptionDetails.Text, thrown.ExceptionDetails.Exception))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if len(faults) > 0 {
			t.Error(strings.Join(faults, "\n"))
		}
	})
}

// Publishing keeps the digits as typed.
func TestPublishInABrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	f := &fake{t: t}
	address, stop := f.start("127.0.0.1:0")
	defer stop()
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+"/#publish?stream=chat.lobby")); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.getElementById("publish-stream")?.value === "chat.lobby"`)
	until(ctx, t, `[...document.getElementById("publish-stream").options].every((o) => o.value !== "market.ticks")`)
	run(ctx, t, `document.getElementById("publish-key").value = "k";
		document.getElementById("publish-data").value = '{"n": 90071992547409931}';
		document.getElementById("publish").requestSubmit()`)
	until(ctx, t, `document.getElementById("publish-result").textContent.includes("offset 41")`)
	picture(ctx, t, "publish")
	f.mu.Lock()
	if got := messageID.ReplaceAllString(strings.Join(f.published, " "), ""); got != `{"key":"k","data":{"n": 90071992547409931}}` {
		t.Errorf("published %s", got)
	}
	f.mu.Unlock()
}
