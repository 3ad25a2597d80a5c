package e2e_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	pages "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"sluice/bench/stack"
)

// clickedElements notes which elements listen for clicks, before the scripts of a page run.
const clickedElements = `{
	const add = EventTarget.prototype.addEventListener;
	window.clicked = new Set();
	EventTarget.prototype.addEventListener = function (type, ...more) {
		if (/^(click|pointerdown|mousedown)$/.test(type) && this instanceof Element) clicked.add(this);
		return add.call(this, type, ...more);
	};
}`

// reaching defines what there is to be reached by keyboard in a page, and what has been.
const reaching = `{
	const interactive = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])";
	const usable = (e) => e.isConnected && e.checkVisibility({ visibilityProperty: true }) && !e.matches(":disabled") && !e.closest("[inert]");
	const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className ? "." + e.className : "") + " " + (e.ariaLabel ?? e.textContent).trim().slice(0, 40);
	const scope = document.querySelector("dialog[open]") ?? document; // behind it, nothing is to be reached
	window.wanted = [...scope.querySelectorAll(interactive)].filter(usable).filter((e) => !e.matches("[type=radio]"));
	// What listens for clicks is a control, is in one, or has controls that do the same.
	window.deaf = [...clicked].filter((e) => usable(e) && e !== document.body && !e.closest(interactive) && !e.querySelector(interactive)).map(name);
	window.reached = new Set();
	window.dim = [];
	window.step = () => {
		const e = document.activeElement;
		if (!e || e === document.body) return false;
		const again = reached.has(e);
		if (!again) {
			const { outlineStyle, outlineWidth } = getComputedStyle(e);
			if (!e.matches(":focus-visible") || outlineStyle === "none" || parseFloat(outlineWidth) < 1) dim.push(name(e));
		}
		reached.add(e);
		return again;
	};
	window.outside = () => [...reached].filter((e) => !scope.contains(e)).map(name);
	window.missed = () => wanted.filter((e) => usable(e) && !reached.has(e)).map(name);
	document.activeElement.blur();
}`

// TestPagesByKeyboard: whatever can be clicked in the console, the documents and the examples is
// reached by Tab, and shows that it has the focus.
func TestPagesByKeyboard(t *testing.T) {
	t.Parallel()
	stack.Check(t, stack.Install(t.Context(), "chromium"))
	address, stop, err := stack.StartDev(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ctx := within(t, 4*time.Minute)
	tab := openBrowser(ctx, t)
	if _, err := chromedp.Call(tab, pages.AddScriptToEvaluateOnNewDocument, pages.AddScriptToEvaluateOnNewDocumentParams{Source: clickedElements}); err != nil {
		t.Fatal(err)
	}
	plain := []opened{{"the start", "/docs/start", nil}, {"the examples", "/examples/", nil}, {"an example", "/examples/flights", nil}}
	for _, s := range append(plain, states...) {
		t.Run(s.name, func(t *testing.T) {
			visit(tab, t, "http://"+address+s.path, 1280, "light")
			waitIn(withinOf(ctx, t, 30*time.Second), tab, t, `document.readyState === "complete" && document.querySelector("main")?.childElementCount > 0`)
			for _, step := range s.steps {
				waitIn(withinOf(ctx, t, 30*time.Second), tab, t, step)
			}
			execute(tab, t, reaching)
			// The document begins anew after its last element, in a headless browser.
			for range 1500 {
				if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
					t.Fatal(err)
				}
				again, err := chromedp.Run(tab, chromedp.Evaluate[bool]("step()"))
				if err != nil {
					t.Fatal(err)
				}
				if again {
					break
				}
			}
			if got, err := chromedp.Run(tab, chromedp.Evaluate[int]("reached.size")); err != nil || got < 2 {
				t.Errorf("only %d elements are reached (%v)", got, err)
			} else {
				t.Logf("%d elements", got)
			}
			for what, expression := range map[string]string{
				"is not reached by Tab": `missed()`, "does not show the focus": `dim`, "is for the mouse alone": `deaf`, "is behind the dialog": `outside()`,
			} {
				found, err := chromedp.Run(tab, chromedp.Evaluate[[]string](expression))
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range slices.Compact(found) {
					t.Errorf("%s %s", strings.Join(strings.Fields(one), " "), what)
				}
			}
		})
	}
}

// TestPagesAreStill: who wants no motion sees none: nothing is animated, and nothing scrolls or changes
// by and by. Who does, sees some.
func TestPagesAreStill(t *testing.T) {
	t.Parallel()
	stack.Check(t, stack.Install(t.Context(), "chromium"))
	address, stop, err := stack.StartDev(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ctx := within(t, 2*time.Minute)
	tab := openBrowser(ctx, t)
	const moving = `document.documentElement.dataset.moves = [...document.querySelectorAll("*")].filter((e) => {
		const { animationName, animationDuration, transitionDuration, scrollBehavior } = getComputedStyle(e);
		return (animationName !== "none" && parseFloat(animationDuration) > 0) || transitionDuration.split(",").some((d) => parseFloat(d) > 0) || scrollBehavior === "smooth";
	}).length`
	for _, path := range []string{"/#live", "/#publish", "/#connect", "/#sessions", "/#health", "/docs/start", "/examples/", "/examples/flights", "/examples/market"} {
		for _, motion := range []string{"reduce", "no-preference"} {
			visit(tab, t, "http://"+address+path, 1280, "light")
			moves(tab, t, motion)
			waitIn(ctx, tab, t, `document.readyState === "complete" && document.querySelector("main")?.childElementCount > 0`)
			// A state that breathes does so while something is under way.
			execute(tab, t, `for (const dot of document.querySelectorAll(".state")) { dot.hidden = false; dot.dataset.state = "working"; }`)
			got, err := chromedp.Run(tab, chromedp.Evaluate[int](moving+`, Number(document.documentElement.dataset.moves)`))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case motion == "reduce" && got != 0:
				t.Errorf("%s: %d elements move", path, got)
			case motion != "reduce" && path == "/#live" && got == 0:
				t.Errorf("%s: nothing moves, so the test cannot see motion", path)
			}
		}
	}
}

// moves sets whether the reader wants motion.
func moves(tab context.Context, t *testing.T, motion string) {
	t.Helper()
	err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, at *chromedp.Target) error {
		_, err := cdp.Call(ctx, at, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: motion}},
		})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}
