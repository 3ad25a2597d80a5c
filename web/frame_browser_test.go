package web_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The frame by keyboard: the link that skips the header stays in the view, and a link of the header
// keeps the focus when it shows another one.
func TestFrameByKeyboard(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	f := &fake{t: t}
	address, stop := f.start("127.0.0.1:0")
	defer stop()
	faultless(ctx, t)
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+"/#publish?stream=chat.lobby")); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.getElementById("publish-stream")?.value === "chat.lobby"`)
	if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.activeElement.id === "view"`)
	if got := evaluated(ctx, t, `location.hash + " " + document.getElementById("view").dataset.view`); got != "#publish?stream=chat.lobby publish" {
		t.Errorf("the link to the content leads to %s", got)
	}

	run(ctx, t, `document.querySelector('#views a[href="#connect"]').focus()`)
	if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.getElementById("view").dataset.view === "connect"`)
	until(ctx, t, `document.activeElement.matches('#views a[href="#connect"][aria-current="page"]')`)
	until(ctx, t, `document.querySelectorAll("#views [aria-current]").length === 1`)

	// Back, with the focus in the view that goes.
	run(ctx, t, `document.getElementById("connect-token").focus(); history.back()`)
	until(ctx, t, `document.getElementById("view").dataset.view === "publish" && document.activeElement.id === "view"`)
}

// The answer about a token that is no longer in use changes nothing.
func TestLateAnswerAboutAToken(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#connect")
	run(ctx, t, `window.done = ""; import(document.querySelector("link[rel=icon]").href.replace("icon.svg", "shared/server.js")).then(async ({ server }) => {
		const slow = Promise.withResolvers();
		server.get = () => (server.token === "first" ? slow.promise : Promise.resolve({ principal: "second", admin: false }));
		const first = server.use("first");
		await server.use("second");
		slow.resolve({ principal: "first", admin: true });
		await first;
		window.done = server.principal.principal;
	})`)
	until(ctx, t, `window.done !== ""`)
	if got := evaluated(ctx, t, "window.done"); got != "second" {
		t.Errorf("the principal is %s, the token that of the second", got)
	}
}

// Of a value of a megabyte the beginning is laid out, and a nest of brackets does not grow with the
// square of its depth.
func TestHugeValuesAreShownInPart(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#connect")
	run(ctx, t, `window.shown = ""; import(document.querySelector("link[rel=icon]").href.replace("icon.svg", "live/value.js")).then(({ showValue }) => {
		const measure = (data, more = "") => {
			const into = document.createElement("pre");
			const kind = showValue('{"data":' + data + more + '}', into);
			return [kind, into.textContent.length, into.querySelectorAll("*").length].join(" ");
		};
		window.shown = [
			measure(JSON.stringify(Array.from({ length: 200000 }, (_, i) => i))),
			measure(JSON.stringify("x".repeat(1 << 20)), ',"encoding":"text"'),
			measure("[".repeat(9000) + "]".repeat(9000)).split(" ")[1] < 4000000,
		].join("; ");
	})`)
	until(ctx, t, `window.shown !== ""`)
	const want = "JSON, 1,288,891 characters, of which the first 65,536 are shown 65536 0; " +
		"text, 1,048,576 characters, of which the first 65,536 are shown 65536 0; true"
	if got := evaluated(ctx, t, "window.shown"); got != want {
		t.Errorf("shown\n%s, want\n%s", got, want)
	}
}

var (
	cssComment  = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssSelector = regexp.MustCompile(`(?m)^([^\s@{}][^{}]*)\{`)
	cssClass    = regexp.MustCompile(`^\.[a-z][a-z-]*$`)
)

// All style sheets hold in all views: a class that a rule at the outermost level names alone belongs
// to one view, or the rules of one would change the other.
func TestViewsDoNotShareClasses(t *testing.T) {
	t.Parallel()
	sheets, err := filepath.Glob("console/*/view.css")
	if err != nil || len(sheets) < 5 {
		t.Fatalf("%d style sheets, %v", len(sheets), err)
	}
	ruled := map[string]string{}
	for _, sheet := range sheets {
		b, err := os.ReadFile(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range cssSelector.FindAllStringSubmatch(cssComment.ReplaceAllString(string(b), ""), -1) {
			for selector := range strings.SplitSeq(match[1], ",") {
				class := strings.TrimSpace(selector)
				if !cssClass.MatchString(class) {
					continue
				}
				if other := ruled[class]; other != "" && other != sheet {
					t.Errorf("%s and %s both have rules for every %s", other, sheet, class)
				}
				ruled[class] = sheet
			}
		}
	}
}

// A view that is opened while the server is away shows its streams once it is back.
func TestViewsWaitForTheServer(t *testing.T) {
	t.Parallel()
	ctx, f, address, stop := openLive(t, "#publish")
	until(ctx, t, `document.getElementById("publish-stream")?.value === "chat.lobby"`)
	stop()
	run(ctx, t, `location.hash = "#connect"`)
	until(ctx, t, `document.getElementById("connect-rights") !== null`)
	until(ctx, t, stateIs+`"working"`)
	run(ctx, t, `location.hash = "#publish"`)
	until(ctx, t, stateIs+`"working" && document.getElementById("publish-stream")?.value === ""`)
	_, stopAgain := f.start(address)
	t.Cleanup(func() { stopAgain() })
	until(ctx, t, `document.getElementById("publish-stream").value === "chat.lobby" && document.getElementById("state").hidden`)
}

// What one principal has kept as a template, another is not shown.
func TestTemplatesOfAPrincipal(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#connect")
	run(ctx, t, `window.seen = ""; const at = (name) => import(document.querySelector("link[rel=icon]").href.replace("icon.svg", name));
	Promise.all([at("shared/server.js"), at("publish/templates.js")]).then(([{ server }, { Templates }]) => {
		const names = () => [...new Templates("orders").all().keys()].join();
		server.principal = { principal: "alice", tenant: "a" };
		new Templates("orders").save("secret", { key: "", headers: [], kind: "json", text: "{}" });
		const own = names();
		server.principal = { principal: "alice", tenant: "b" };
		const tenant = names();
		server.principal = { principal: "bob", tenant: "a" };
		window.seen = "own " + own + ", other tenant " + tenant + ", other principal " + names();
	})`)
	until(ctx, t, `window.seen !== ""`)
	if got := evaluated(ctx, t, "window.seen"); got != "own secret, other tenant , other principal " {
		t.Error(got)
	}
}

// A list of streams can be searched, by a text or a pattern.
func TestManyStreamsCanBeSearched(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := openLive(t, "#stream=market.ticks&from=latest")
	until(ctx, t, stateIs+`"live"`)
	run(ctx, t, `import(document.querySelector("link[rel=icon]").href.replace("icon.svg", "live/streams.js")).then(({ Menu }) => {
		const [list, search, note] = ["streams", "streams-search", "streams-note"].map((id) => document.getElementById(id));
		new Menu(list, search, note, {}).fill(Array.from({ length: 1000 }, (_, i) => ({ stream: "Load." + i })));
		search.value = "load.99";
		search.dispatchEvent(new Event("input"));
	})`)
	until(ctx, t, `!document.getElementById("streams-search").hidden`)
	until(ctx, t, `document.querySelectorAll("#streams li:not([hidden])").length === 11`)
	until(ctx, t, `document.getElementById("streams-note").textContent === "11 of 1,000 streams"`)
	run(ctx, t, `const search = document.getElementById("streams-search"); search.value = "Load.*9*0"; search.dispatchEvent(new Event("input"))`)
	until(ctx, t, `document.getElementById("streams-note").textContent === "19 of 1,000 streams"`)
}
