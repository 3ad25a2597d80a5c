package web_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"sluice/bench/stack"
)

// openLive shows the view Live of a server, which reads by server-sent events, as the fake has no
// WebSocket.
func openLive(t *testing.T, hash string) (ctx context.Context, f *fake, address string, stop func()) {
	t.Helper()
	ctx = browser(t)
	f = &fake{t: t}
	// Where it is stopped and comes back, nobody else may have been given its port meanwhile.
	address, err := stack.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	address, stop = f.start(address)
	t.Cleanup(func() { stop() })
	faultless(ctx, t)
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+"/"+hash)); err != nil {
		t.Fatal(err)
	}
	return ctx, f, address, stop
}

const firstRow = `document.querySelector(".row").id`

func evaluated(ctx context.Context, t *testing.T, expression string) string {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// Records arrive, digits are shown as sent, the gap is counted, a pause freezes the list, a chosen
// row stays where it is, and nothing is wider than a phone.
func TestLiveInABrowser(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#stream=market.ticks&from=latest")

	until(ctx, t, stateIs+`"live"`)
	until(ctx, t, `document.querySelectorAll(".row").length > 10`)
	until(ctx, t, `document.querySelector(".detail").textContent.includes('"seq": 90071992547409931')`)
	until(ctx, t, `document.querySelector(".gaps").textContent === "1" && document.querySelector(".partitions").textContent === "6"`)
	until(ctx, t, `parseFloat(document.querySelector(".rate").textContent) > 10`)
	until(ctx, t, `location.hash === "#live?stream=market.ticks&from=latest"`)
	picture(ctx, t, "live")

	// A pause freezes the page, but counting continues.
	run(ctx, t, `document.querySelector(".pause").click()`)
	before := evaluated(ctx, t, firstRow)
	received := evaluated(ctx, t, `document.querySelector(".received").textContent`)
	until(ctx, t, `/[1-9]\d* new/.test(document.querySelector(".pause").textContent) && document.querySelector(".received").textContent !== `+strconv.Quote(received))
	until(ctx, t, firstRow+" === "+strconv.Quote(before))
	run(ctx, t, `document.querySelector(".pause").click()`)
	until(ctx, t, firstRow+" !== "+strconv.Quote(before))

	// The arrow keys choose a row, which stays where it is, and following goes on after it.
	run(ctx, t, `document.querySelector(".events").focus()`)
	key(ctx, t, kb.ArrowDown)
	const chosen = `document.querySelector(".row[aria-selected=true]")`
	until(ctx, t, chosen+` !== null && document.querySelector(".title").textContent === "Chosen record"`)
	until(ctx, t, `document.querySelector(".events").getAttribute("aria-activedescendant") === `+chosen+`.id`)
	before = evaluated(ctx, t, chosen+`.id + " " + `+chosen+`.getBoundingClientRect().top`)
	until(ctx, t, `/^[1-9]\d* new$/.test(document.querySelector(".newer").textContent)`)
	until(ctx, t, chosen+`.id + " " + `+chosen+`.getBoundingClientRect().top === `+strconv.Quote(before))
	key(ctx, t, kb.ArrowUp) // to a row that was not shown yet
	until(ctx, t, chosen+`.id !== `+strconv.Quote(strings.Fields(before)[0])+` && `+chosen+`.getAttribute("aria-posinset") === "1"`)
	until(ctx, t, `Number(`+chosen+`.getAttribute("aria-setsize")) > 10`)
	// The gap is a row, too: the oldest.
	key(ctx, t, kb.End)
	until(ctx, t, chosen+`.classList.contains("gap") && `+chosen+`.textContent.includes("12 offsets are missing: Kafka no longer keeps them")`)
	until(ctx, t, `document.querySelector(".title").textContent === "Chosen gap" && document.querySelector(".value-kind").textContent.includes("12 offsets")`)
	key(ctx, t, kb.Escape)
	until(ctx, t, chosen+` === null && document.querySelector(".events").scrollTop === 0`)
	key(ctx, t, kb.Home)
	until(ctx, t, chosen+` !== null`)
	run(ctx, t, `document.querySelector(".follow").click()`)
	until(ctx, t, chosen+` === null && document.querySelector(".newer").hidden`)

	// On a phone nothing is wider than the page, in the other color scheme.
	run(ctx, t, `document.getElementById("theme").click()`)
	until(ctx, t, `getComputedStyle(document.documentElement).colorScheme === "dark"`)
	picture(ctx, t, "dark")
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.documentElement.scrollWidth <= 390`)
	run(ctx, t, `document.querySelectorAll(".row")[2].click()`)
	until(ctx, t, `document.querySelector(".drawer").offsetHeight > 100 && document.documentElement.scrollWidth <= 390`)
	picture(ctx, t, "phone")
}

func key(ctx context.Context, t *testing.T, key string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(key)); err != nil {
		t.Fatal(err)
	}
}

// The view outlives a restart of the server, with a proxy's error in between, a position that has
// become void, and says when a start is refused.
func TestLiveComesBack(t *testing.T) {
	t.Parallel()
	ctx, f, address, stop := openLive(t, "#live?stream=market.ticks&from=latest")
	defer func() { stop() }()
	until(ctx, t, stateIs+`"live"`)

	stop()
	until(ctx, t, stateIs+`"working"`)
	f.mu.Lock()
	f.refuse = true
	f.mu.Unlock()
	_, stop = f.start(address)
	refused := time.Now()
	for len(f.seen()) < 3 && time.Since(refused) < 15*time.Second {
		time.Sleep(50 * time.Millisecond)
	}
	f.mu.Lock()
	f.refuse = false
	f.mu.Unlock()
	until(ctx, t, stateIs+`"live"`)
	for _, last := range f.seen()[1:] {
		if !strings.HasPrefix(last, "v1.") {
			t.Errorf("came back with the id %q", last)
		}
	}

	// A position that is void: the page begins again without it, and says so.
	before := len(f.seen())
	f.mu.Lock()
	f.void = `{"type":"closing","code":"cursor_lost","action":"resync","retry_after_ms":10}`
	f.mu.Unlock()
	stop()
	_, stop = f.start(address)
	until(ctx, t, stateIs+`"live" && document.querySelector(".said").textContent.includes("cursor_lost") && document.querySelector(".gaps").textContent === "2"`)
	seen := f.seen()
	if len(seen)-2 < before || !strings.HasPrefix(seen[len(seen)-2], "v1.") || seen[len(seen)-1] != "" {
		t.Errorf("came back with the ids %q, of which %d are from before", seen, before)
	}
	// Nothing is left to leave out if the start itself is void.
	f.mu.Lock()
	f.void = `{"type":"closing","code":"bad_cursor","message":"damaged","action":"resync"}`
	f.mu.Unlock()
	run(ctx, t, `document.querySelector(".from").append(new Option("x", "v1.damaged")); document.querySelector(".from").value = "v1.damaged";
		document.querySelector(".reading").requestSubmit()`)
	until(ctx, t, stateIs+`"failed" && document.querySelector(".fault").textContent.includes("bad_cursor")`)
	until(ctx, t, `document.querySelector(".from").getAttribute("aria-invalid") === "true" && document.querySelector(".fault").textContent.includes("damaged")`)
}

// Markup in a record is text, in the list and in the drawer.
func TestLiveShowsMarkupAsText(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#live?stream=market.ticks&from=latest")
	until(ctx, t, `document.querySelectorAll(".row").length > 10`)
	run(ctx, t, `document.querySelector(".row").click()`)
	until(ctx, t, `document.querySelector(".detail").textContent.includes("<img src=x onerror=alert(1)>")`)
	until(ctx, t, `document.querySelector(".pane img") === null`)
}

// Where the past ends is said: by the right to replay, or by what the server refuses.
func TestLivePastEnds(t *testing.T) {
	t.Parallel()
	ctx, f, _, _ := openLive(t, "#live?stream=market.ticks&from=latest")
	until(ctx, t, `document.querySelector(".partitions").textContent === "6"`)
	for older, want := range map[string]string{
		"policy": "You may not read further back.", "retention": "These are the oldest records that Kafka keeps.",
		"forbidden": "Older records cannot be had: forbidden: not for you",
	} {
		f.mu.Lock()
		f.older = older
		f.mu.Unlock()
		run(ctx, t, `document.querySelector(".reading").requestSubmit()`)
		until(ctx, t, `document.querySelector(".partitions").textContent === "6" && document.querySelectorAll(".row").length > 10`)
		run(ctx, t, `document.querySelector(".older").click()`)
		until(ctx, t, `document.querySelector(".held").textContent === `+strconv.Quote(want))
	}
}

// The modules of the view, by themselves.
func TestLiveModules(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#publish")
	script, err := os.ReadFile("testdata/live_modules.js")
	if err != nil {
		t.Fatal(err)
	}
	run(ctx, t, string(script))
	until(ctx, t, `window.ended === true`)
	if faults := evaluated(ctx, t, `faults.join("\n")`); faults != "" {
		t.Error(faults)
	}
}

// When a token is needed, or another one than that of the page, the view says so and links to where one
// is entered.
func TestLiveNeedsAToken(t *testing.T) {
	t.Parallel()
	ctx, f, _, _ := openLive(t, "#live?stream=market.ticks&from=latest")
	until(ctx, t, stateIs+`"live"`)
	expire := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.void = `{"type":"closing","code":"token_expired","message":"the token has expired","action":"reauthenticate"}`
	}
	expire()
	run(ctx, t, `document.querySelector(".from").append(new Option("x", "v1.2")); document.querySelector(".from").value = "v1.2";
		document.querySelector(".reading").requestSubmit()`)
	until(ctx, t, stateIs+`"failed" && document.querySelector(".said a[href='#connect']") !== null && document.querySelector(".said").textContent.includes("token_expired")`)
	until(ctx, t, `document.querySelector(".said").textContent.startsWith("The server needs a token")`)

	expire()
	run(ctx, t, `(async () => {
		const main = document.querySelector("script[type=module]").src;
		(await import(new URL("shared/server.js", main))).server.token = "old";
		document.querySelector(".reading").requestSubmit();
	})()`)
	until(ctx, t, stateIs+`"failed" && document.querySelector(".said").textContent === "The server does not take the token (token_expired): enter another one."`)
}

// A chosen row is readable in both themes: 4.5:1 (WCAG 2.2, success criterion 1.4.3). What scrolls
// can be reached by keyboard, and has a name.
func TestLiveCanBeRead(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#live?stream=market.ticks&from=latest")
	until(ctx, t, `document.querySelectorAll(".row").length > 10`)
	run(ctx, t, `document.querySelector(".row").click()`)
	run(ctx, t, `const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
		const luminance = (...colors) => {
			for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
			const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
			return 0.2126 * r + 0.7152 * g + 0.0722 * b;
		};
		window.contrast = (row) => Math.min(...[...row.children].map((cell) => {
			const ground = [getComputedStyle(document.querySelector(".records")).backgroundColor, getComputedStyle(row).backgroundColor];
			const [a, b] = [luminance(...ground), luminance(...ground, getComputedStyle(cell).color)].sort((a, b) => b - a);
			return (a + 0.05) / (b + 0.05);
		}))`)
	for _, theme := range []string{"light", "dark"} {
		run(ctx, t, `document.documentElement.dataset.theme = "`+theme+`"`)
		for _, row := range []string{`.row[aria-selected=true]`, `.row[aria-selected=false]`} {
			until(ctx, t, `document.querySelector("`+row+`") !== null`)
			if got := evaluated(ctx, t, `contrast(document.querySelector("`+row+`")).toFixed(2)`); !atLeast(t, got, 4.5) {
				t.Errorf("%s has a contrast of %s in %s colors", row, got, theme)
			}
		}
	}
	until(ctx, t, `[...document.querySelectorAll(".events, .detail, .cursor, .program")].every((e) => e.tabIndex === 0 && e.getAttribute("aria-label"))`)
}

// What joins and leaves a pattern is a row, and its streams are named. Rows tell their stream, also
// where offsets are the same.
func TestLivePattern(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#live?stream=market.*")
	until(ctx, t, stateIs+`"live" && document.querySelectorAll(".row").length === 4`)
	until(ctx, t, `[...document.querySelectorAll(".row")].map((row) => [...row.children].slice(1).map((cell) => cell.textContent).join("|")).join("\n") === [
		"market.trades/0:8|unreadable|1 offset is missing: they cannot be read",
		"market.trades/0:7|b|2",
		"||joined: market.trades · left: market.ticks · 2 are more than a session may have",
		"market.ticks/0:7|a|1",
	].join("\n")`)
	until(ctx, t, `document.querySelector(".facts").textContent === "1 stream: market.trades · 2 more than a session may have"`)
	until(ctx, t, `document.querySelector(".partitions").textContent === "2" && document.querySelector(".gaps").textContent === "1"`)
	run(ctx, t, `document.querySelectorAll(".row")[2].click()`)
	until(ctx, t, `document.querySelector(".title").textContent === "Chosen change" && document.querySelector(".cursor").textContent === "v1.3"`)
	run(ctx, t, `document.querySelectorAll(".row")[1].click()`)
	until(ctx, t, `document.querySelector(".cursor").textContent === "v1.3~market.trades/0:8" && document.querySelector(".program").textContent.includes("from=v1.3'")`)
	run(ctx, t, `document.querySelectorAll(".row")[3].click()`)
	until(ctx, t, `document.querySelector(".cursor").textContent === "v1.1~market.ticks/0:8" && document.querySelector(".program").textContent.includes("stream=market.*'")`)
}

func atLeast(t *testing.T, text string, least float64) bool {
	t.Helper()
	got, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return got >= least
}

// The address names what is shown side by side; a stream that is not there is said so, and the
// list stays usable.
func TestLiveAddress(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#live?stream=market.ticks&stream=wiki.edits&from=latest&key=k&filter=true")
	until(ctx, t, `[...document.querySelectorAll(".stream-name")].map((e) => e.textContent).join() === "market.ticks,wiki.edits"`)
	until(ctx, t, `[...document.querySelectorAll(".reading")].every((f) => f.querySelector(".from").value === "latest" && f.querySelector(".key").value === "k" && f.querySelector(".filter").value === "true")`)
	// What the page writes there reads as the same.
	until(ctx, t, fmt.Sprintf(`location.hash === %q`, "#live?stream=market.ticks&from=latest&key=k&filter=true&stream=wiki.edits&from=latest&key=k&filter=true"))

	run(ctx, t, `document.querySelectorAll(".remove")[1].click()`)
	until(ctx, t, `location.hash === "#live?stream=market.ticks&from=latest&key=k&filter=true" && document.querySelectorAll(".pane").length === 1`)
	run(ctx, t, `document.querySelector("[data-stream='chat.lobby'] + .add").click()`)
	until(ctx, t, `document.querySelectorAll(".pane").length === 2 && document.querySelectorAll(".choose[aria-current=true]").length === 2`)

	run(ctx, t, `location.hash = "#live?stream=made.up"`)
	until(ctx, t, stateIs+`"failed" && document.querySelector(".said").textContent.includes("made.up")`)
	run(ctx, t, `document.querySelector("[data-stream='market.ticks']").click()`)
	until(ctx, t, stateIs+`"live" && document.querySelectorAll(".row").length > 10`)
}
