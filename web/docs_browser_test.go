package web_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// Documents must fit a phone, keep the color scheme chosen on the console, and load
// nothing that their policy forbids.
func TestDocumentsInABrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	f := &fake{t: t}
	address, stop := f.start("127.0.0.1:0")
	defer stop()
	open := func(path string) {
		if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+path)); err != nil {
			t.Fatal(err)
		}
	}
	open("/docs")
	until(ctx, t, `location.pathname === "/docs/" && document.styleSheets.length === 2`)
	run(ctx, t, `document.getElementById("theme").click()`)
	until(ctx, t, `getComputedStyle(document.documentElement).colorScheme === "dark"`)
	run(ctx, t, `document.querySelector(".links a").click()`)
	until(ctx, t, `location.pathname === "/" && getComputedStyle(document.documentElement).colorScheme === "dark"`)
	run(ctx, t, `document.querySelector(".links > a[href='docs/']").click()`)
	until(ctx, t, `location.pathname === "/docs/"`)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	for name := range documentFiles(t) {
		open(pathOf(name))
		until(ctx, t, `getComputedStyle(document.documentElement).colorScheme === "dark"`)
		// Wider content, such as tables and code, scrolls by itself.
		until(ctx, t, `document.documentElement.scrollWidth <= 390`)
		until(ctx, t, `document.querySelectorAll("main h1").length === 1 && document.querySelectorAll("[style]").length === 0`)
		until(ctx, t, `performance.getEntriesByType("resource").every((r) => r.responseStatus === 200)`)
	}
	open("/docs/PROTOCOL#renewal")
	until(ctx, t, `Math.abs(document.getElementById("renewal").getBoundingClientRect().top) < 40`)
}
