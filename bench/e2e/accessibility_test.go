package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"sluice/bench/stack"
)

// links collects the pages of an instance: the console's views, the documents, and the
// examples.
const links = `(async () => {
	const hrefs = (page, selector) => [...page.querySelectorAll(selector)].map((a) => new URL(a.getAttribute("href"), a.baseURI === "about:blank" ? location : a.baseURI).href);
	const load = async (path) => {
		const response = await fetch(path);
		return response.ok ? [...(await response.text()).matchAll(/<a href="([^"#:]+)"/g)].map((m) => new URL(m[1], response.url).href) : [];
	};
	window.pages = [...hrefs(document, "#views a"), ...await load("/docs/"), ...await load("/examples/")];
})()`

// violations runs axe-core on the page, without what is about taste.
const violations = `(async () => {
	try {
		const { violations } = await axe.run(document, { resultTypes: ["violations"] });
		window.found = violations.flatMap(({ id, help, nodes }) => nodes.map((n) => id + ": " + help + ": " + n.target.join(" ") + " " + (n.failureSummary ?? "").replace(/\s+/g, " ")));
	} catch (error) {
		window.found = [String(error)];
	}
})()`

// TestPagesAreAccessible: axe-core finds nothing in any page of an instance, in the light and
// in the dark, on a wide screen and on a phone of 390 pixels, and no page scrolls sideways, also at
// 200 %.
func TestPagesAreAccessible(t *testing.T) {
	t.Parallel()
	stack.Check(t, stack.Install(t.Context(), "chromium"))
	axe := axeCore(t)
	ctx := within(t, 3*time.Minute)
	address, stop, err := stack.StartDev(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	origin := "http://" + address

	tab := openBrowser(ctx, t)
	visit(tab, t, origin+"/", 1280, "light")
	waitIn(ctx, tab, t, `document.querySelectorAll("#views a").length > 0`)
	execute(tab, t, links)
	waitIn(ctx, tab, t, `window.pages !== undefined`)
	pages, err := chromedp.Run(tab, chromedp.Evaluate[[]string]("pages"))
	if err != nil {
		t.Fatal(err)
	}
	pages = slices.DeleteFunc(pages, func(page string) bool { return !strings.HasPrefix(page, origin) || strings.HasSuffix(page, ".md") })
	slices.Sort(pages)
	pages = slices.Compact(pages)
	t.Logf("%d pages", len(pages))
	if len(pages) < 20 {
		t.Errorf("only %d pages are known: %v", len(pages), pages)
	}

	// What 1280 pixels are at a zoom of 200 %.
	t.Run("at 200 %", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, 2*time.Minute)
		tab := openBrowser(ctx, t)
		for _, page := range pages {
			visit(tab, t, page, 640, "light")
			waitIn(ctx, tab, t, `document.readyState === "complete" && document.querySelector("main")?.childElementCount > 0`)
			fits(tab, t, 640)
		}
	})
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprint(scheme, " ", width), func(t *testing.T) {
				t.Parallel()
				ctx := within(t, 4*time.Minute)
				tab := openBrowser(ctx, t)
				for _, page := range pages {
					began := time.Now()
					visit(tab, t, page, width, scheme)
					waitIn(ctx, tab, t, `document.readyState === "complete" && document.querySelector("main")?.childElementCount > 0`)
					examine(ctx, tab, t, axe, width)
					t.Logf("%s: %v", strings.TrimPrefix(page, origin), time.Since(began).Round(time.Millisecond))
				}
			})
		}
	}
}

// axeCore returns the script that examines pages.
func axeCore(t *testing.T) string {
	t.Helper()
	modules, err := stack.NodeLibraries(t.Context())
	stack.Check(t, err)
	axe, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(axe)
}

// examine runs axe-core on what a page shows, and looks whether it is as wide as its screen.
func examine(ctx, tab context.Context, t *testing.T, axe string, width int64) {
	t.Helper()
	execute(tab, t, "window.axe ?? (() => {"+axe+"})()")
	execute(tab, t, "window.found = undefined; "+violations)
	waitIn(ctx, tab, t, `window.found !== undefined`)
	found, err := chromedp.Run(tab, chromedp.Evaluate[[]string]("found"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := chromedp.Run(tab, chromedp.Evaluate[string]("location.pathname + location.hash"))
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Errorf("%s: %.400s", at, violation)
	}
	fits(tab, t, width)
}

// fits looks whether a page scrolls sideways.
func fits(tab context.Context, t *testing.T, width int64) {
	t.Helper()
	type size struct {
		Wide int64
		By   string
	}
	got, err := chromedp.Run(tab, chromedp.Evaluate[size](`({
		wide: document.documentElement.scrollWidth,
		by: [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map((e) => e.tagName + "." + e.className + "#" + e.id).join(", "),
	})`))
	if err != nil || got.Wide > width {
		t.Errorf("the page is %d pixels wide on a screen of %d, by %s (%v)", got.Wide, width, got.By, err)
	}
}

// picture keeps a picture of a page if SLUICE_SCREENSHOTS names a folder.
func picture(tab context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SLUICE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".png"), png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

// visit opens a page anew on a screen of a width, whose reader prefers a color scheme.
func visit(tab context.Context, t *testing.T, page string, width int64, scheme string) {
	t.Helper()
	prefer(tab, t, scheme)
	// A page that differs in its fragment alone would not be loaded.
	err := chromedp.Do(tab, chromedp.EmulateViewport(width, 900), chromedp.Navigate("about:blank"), chromedp.Navigate(page))
	if err != nil {
		t.Fatalf("open %s: %v", page, err)
	}
}

// prefer sets the color scheme that the reader prefers, who wants no motion.
func prefer(tab context.Context, t *testing.T, scheme string) {
	t.Helper()
	err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, at *chromedp.Target) error {
		_, err := cdp.Call(ctx, at, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// execute evaluates a script, whose value does not matter.
func execute(tab context.Context, t *testing.T, script string) {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Evaluate[json.RawMessage](script+"\n;0")); err != nil {
		t.Fatal(err)
	}
}

// waitIn waits until an expression is true in a page.
func waitIn(ctx, tab context.Context, t *testing.T, expression string) {
	t.Helper()
	for {
		is, err := chromedp.Run(tab, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		if !pause(ctx, 50*time.Millisecond) {
			t.Fatalf("never came true: %s (%v)", expression, err)
		}
	}
}
