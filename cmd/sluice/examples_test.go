package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/bench/stack"
)

// drawn are the examples, each with what is true when it shows what is in its stream.
var drawn = map[string]string{
	"": `document.querySelectorAll("h2 a").length > 5`,
	"flights": `is("state", "live") && document.querySelectorAll("ol button").length > 30 &&
		[...document.querySelectorAll(".plane")].every((p) => /translate/.test(p.getAttribute("transform")) && p.lastChild.textContent) &&
		[...document.querySelectorAll(".trail")].some((t) => t.getAttribute("points").split(" ").length > 10)`,
	"market": `is("state", "live") && document.querySelectorAll("tbody tr").length === 24 &&
		[...document.querySelectorAll("polyline")].every((p) => p.getAttribute("points")?.includes(" ")) && +at("drawn").textContent > 0`,
	"chat":  `is("state", "live") && document.querySelector("#log li") !== null`,
	"iot":   `is("state", "live") && /^12\d devices: \d+ in alarm, \d+ silent, \d+ ok/.test(at("all").textContent) && document.querySelector("#letters li") !== null`,
	"phone": `is("state", "live") && +at("received").textContent >= 20 && document.querySelectorAll("#edits li").length > 20`,
}

// shorthands are for the expressions of these tests.
const shorthands = `window.at = (id) => document.getElementById(id); window.is = (id, text) => at(id).textContent === text;
window.type = (field, text) => { field.value = text; field.dispatchEvent(new Event("input", {bubbles: true})); };`

// TestExamples: each example shows its stream in Chromium, on a screen and a phone, in the light
// and the dark, without a fault in its console and without what axe-core finds fault with.
func TestExamples(t *testing.T) {
	t.Parallel()
	modules, err := stack.NodeLibraries(t.Context())
	stack.Check(t, err)
	axe, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	address := startDev(t)
	for stream, body := range map[string]string{"chat.lobby": `{"key":"curl","data":{"text":"hello"}}`, "iot.telemetry": `{"key":"bad","data":{"temp_c":"warm"}}`} {
		publishTo(t, address, stream, body)
	}
	page := watch(t, openTab(t))
	for name, ready := range drawn {
		t.Run("at "+name, func(t *testing.T) {
			p := page.visit(t, "http://"+address+"/examples/"+name)
			p.until(ready)
			p.evaluate(string(axe))
			for _, look := range []struct {
				width  int64
				scheme string
			}{{1280, "light"}, {1280, "dark"}, {390, "dark"}, {390, "light"}} {
				p.look(look.width, look.scheme)
				p.until(`document.documentElement.scrollWidth <= innerWidth`)
				p.until(`document.getAnimations().length === 0`) // with colors of the other scheme
				p.picture(fmt.Sprintf("example-%s-%s-%d", name, look.scheme, look.width))
				p.evaluate(`window.found = undefined;
					axe.run().then(({violations}) => { found = violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join()) })`)
				p.until(`window.found !== undefined`)
				if found := p.text(`found.join("\n")`); found != "" {
					t.Errorf("axe-core, %d pixels, %s: %s", look.width, look.scheme, found)
				}
			}
			page.expectNoFaults(t)
		})
	}
}

// TestExampleElsewhere: the page works from another origin when one line is changed.
func TestExampleElsewhere(t *testing.T) {
	t.Parallel()
	address := startDev(t)
	answer := get(t.Context(), t, "http://"+address+"/examples/flights.html")
	defer func() { _ = answer.Body.Close() }()
	source := readAll(t, answer.Body)
	const line = `const server = new URL("../", location.href);`
	if strings.Count(source, line) != 1 || strings.Count(source, "location") != 1 {
		t.Fatalf("%s is not the only place of the server in:\n%s", line, source)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(strings.Replace(source, line, `const server = "http://`+address+`/";`, 1)))
	}))
	defer elsewhere.Close()
	page := watch(t, openTab(t))
	p := page.visit(t, elsewhere.URL+"/")
	p.until(drawn["flights"])
	p.evaluate(`document.querySelector("ol button").click()`)
	p.until(`getComputedStyle(document.querySelector(".plane.chosen text")).display !== "none" && document.querySelectorAll("[aria-pressed=true]").length === 1`)
	page.expectNoFaults(t)
}

// TestExampleRefused: on a server that has other streams, each example says in the page why it shows
// nothing.
func TestExampleRefused(t *testing.T) {
	t.Parallel()
	address := startDev(t)
	page := watch(t, openTab(t))
	for name, stream := range map[string]string{
		"flights": "flights.positions", "market": "market.ticks", "chat": "chat.lobby", "iot": "iot.telemetry", "phone": "wiki.edits",
	} {
		t.Run("at "+name, func(t *testing.T) {
			answer := get(t.Context(), t, "http://"+address+"/examples/"+name+".html")
			defer func() { _ = answer.Body.Close() }()
			source := strings.NewReplacer(`new URL("../", location.href)`, `"http://`+address+`/"`, `"`+stream+`"`, `"another.stream"`).Replace(readAll(t, answer.Body))
			elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte(source))
			}))
			defer elsewhere.Close()
			p := page.visit(t, elsewhere.URL+"/")
			p.until(`is("state", "closed: the stream does not exist")`)
		})
	}
}

// watched is a tab whose faults are collected, and whose WebSockets are counted.
type watched struct {
	tab
	mu      sync.Mutex
	faults  []string
	sockets map[network.RequestID]bool // whether they are open
}

func watch(t *testing.T, page tab) *watched {
	t.Helper()
	w := &watched{tab: page, sockets: map[network.RequestID]bool{}}
	err := chromedp.Listen(page.ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			w.faults = append(w.faults, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				w.faults = append(w.faults, fmt.Sprintf("%+v", e.Args))
			}
		case *log.EventEntryAdded: // among them violations of the policy
			if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
				w.faults = append(w.faults, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventWebSocketCreated:
			w.sockets[e.RequestID] = true
		case *network.EventWebSocketClosed:
			w.sockets[e.RequestID] = false
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// using bounds what is done with a page. It is much more than is needed.
const using = 2 * soon

// visit opens a page.
func (w *watched) visit(t *testing.T, url string) tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, using)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	p := tab{t: t, ctx: ctx}
	p.evaluate(shorthands)
	return p
}

// look shows the page on a screen of some width to a user who prefers a color scheme.
func (p tab) look(width int64, scheme string) {
	p.t.Helper()
	prefers := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err //nolint:wrapcheck // the test says what it was about
	})
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 860), prefers); err != nil {
		p.t.Fatal(err)
	}
}

func (w *watched) expectNoFaults(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		t.Errorf("in the console: %.500s", fault)
	}
	w.faults = nil
}

// open returns how many WebSockets are open.
func (w *watched) open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := 0
	for _, is := range w.sockets {
		if is {
			open++
		}
	}
	return open
}

func (p tab) text(expression string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// picture saves a screenshot if SLUICE_SCREENSHOTS names a directory.
func (p tab) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("SLUICE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		p.t.Error(err)
	}
}
