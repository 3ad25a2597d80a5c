package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	dialogIs = `document.querySelector("dialog[open]") !== null && `
	noDialog = `document.querySelector("dialog") === null && `
	rowsAre  = `[...document.querySelectorAll("#sessions-table > tbody")].map((b) => b.dataset.session).join() === `
)

// value returns what an expression in the page is.
func value(ctx context.Context, t *testing.T, expression string) string {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// keys presses keys, one after the other.
func keys(ctx context.Context, t *testing.T, all ...string) {
	t.Helper()
	for _, key := range all {
		if err := chromedp.Do(ctx, chromedp.KeyEvent(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// Keys of chromedp's package kb.
const (
	enterKey, escapeKey, tabKey, leftKey, homeKey = "\r", "\u001b", "\t", "\u0302", "\u0306"
)

// fits checks that nothing is wider than a window.
func fits(ctx context.Context, t *testing.T, width int) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), 844)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, fmt.Sprintf(`innerWidth === %[1]d && document.documentElement.scrollWidth <= %[1]d`, width))
}

// actedOnce waits for one request that changes something, and its success.
func (o *operated) actedOnce(ctx context.Context, want string) {
	o.t.Helper()
	for deadline := time.Now().Add(time.Minute); len(o.acted()) == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
	}
	until(ctx, o.t, `document.getElementById("sessions-result").dataset.kind === "good"`)
	if got := o.acted(); !slices.Equal(got, []string{want}) {
		o.t.Errorf("did %q, want %q", got, want)
	}
	o.change(func() { o.acts = nil })
}

func TestSessionsInABrowser(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 10_000)
	o.sessions[3]["principal"] = hostile
	o.sessions[9876]["subscriptions"] = []map[string]any{{"id": "a", "stream": "orders", "state": "paused", "lag_records": 5000, "lag_ms": 93_000}}
	ctx := o.show("#sessions")

	// Ten thousand sessions are pages of a hundred. What a client has chosen is text.
	until(ctx, t, `document.querySelectorAll("#sessions-table > tbody").length === 100`)
	until(ctx, t, `document.querySelector("#sessions-part .found").textContent.includes("100 of 10,000 sessions")`)
	until(ctx, t, `document.getElementById("sessions-instance").textContent.includes("sluice-7d9f")`)
	until(ctx, t, `document.querySelectorAll("#view img").length === 0 && document.title === "Sessions · Sluice"`)
	until(ctx, t, `document.querySelector("[data-session=s00003] bdi").textContent.includes("\\u{202e}")`)
	run(ctx, t, `document.querySelector("#sessions-part .next").click()`)
	until(ctx, t, `document.querySelector("#sessions-table > tbody").dataset.session === "s00100"`)
	run(ctx, t, `document.querySelector("#sessions-part .previous").click()`)
	until(ctx, t, `document.querySelector("#sessions-table > tbody").dataset.session === "s00000"`)
	picture(ctx, t, "sessions")

	// Lag, the largest first, of all sessions; then the smallest of a page.
	lag := `document.querySelector("th[data-sort=lag] button").click()`
	first := `document.querySelector("#sessions-table > tbody .number:nth-of-type(5)").textContent`
	run(ctx, t, lag)
	until(ctx, t, `document.querySelector("th[data-sort=lag]").ariaSort === "descending" && `+first+` === "5,000"`)
	until(ctx, t, `document.querySelector("[data-session=s09876] td:nth-of-type(6)").textContent === "1 min 33 s"`)
	until(ctx, t, `!document.querySelector("#sessions-part .found").textContent.includes("within this page")`)
	run(ctx, t, `document.querySelector("#sessions-part .next").click()`)
	until(ctx, t, first+` === "78" && document.querySelector("#sessions-table > tbody").dataset.session > "s00600"`)
	// One that is not among them now is further behind or less; it is not said to be gone.
	o.change(func() { o.sessions[1000]["subscriptions"].([]map[string]any)[0]["lag_records"] = 4000 })
	until(ctx, t, `document.querySelector("#sessions-part .again").textContent.includes("on another page") && document.querySelectorAll("[data-ended]").length === 0`)
	o.change(func() { o.sessions[9876] = newSession(9876); o.sessions[1000] = newSession(1000) })
	run(ctx, t, lag)
	const within = `document.querySelector("#sessions-part .found").textContent.includes("within this page")`
	until(ctx, t, `document.querySelector("th[data-sort=lag]").ariaSort === "ascending" && `+first+` === "0" && location.hash === "#sessions?order=lag" && `+within)
	run(ctx, t, lag)
	// The first row is the same in both orders. What comes next needs a page that has been asked for by now.
	until(ctx, t, `document.querySelector("th[data-sort=lag]").ariaSort === null && document.querySelector("#sessions-table > tbody").dataset.session === "s00000" && !`+within)

	// Those that come before others on a full page push the last to the next one, where they
	// go on.
	o.change(func() {
		first := newSession(10_001)
		first["session"] = "r"
		o.sessions = append([]map[string]any{first}, o.sessions...)
	})
	until(ctx, t, `document.querySelector("#sessions-part .again").textContent === "Arrange anew (1 new, 1 on another page)"`)
	until(ctx, t, `document.querySelectorAll("[data-ended]").length === 0`)

	// A search, which the address keeps.
	run(ctx, t, `document.getElementById("sessions-principal").value = "user-9@example.com"; document.getElementById("sessions-search").requestSubmit()`)
	until(ctx, t, rowsAre+`"s00009" && location.hash.includes("principal=user-9%40example.com")`)
	run(ctx, t, `document.getElementById("sessions-principal").value = "nobody"; document.getElementById("sessions-search").requestSubmit()`)
	until(ctx, t, rowsAre+`"" && !document.querySelector("#sessions-part .nothing").hidden`)
}

// TestSessionsStayWhileRead: a refresh changes numbers, and moves nothing.
func TestSessionsStayWhileRead(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 4)
	ctx := o.show("#sessions")
	until(ctx, t, rowsAre+`"s00000,s00001,s00002,s00003"`)
	run(ctx, t, `document.querySelector("[data-session=s00003] button").click(); document.querySelector("[data-session=s00003] button").focus();
		window.kept = document.querySelector("[data-session=s00003]"); window.filter = document.querySelector(".of-filter bdi").firstChild;
		window.fastest = 0; new MutationObserver(() => {
			fastest = Math.max(fastest, Number(kept.querySelector(".number").textContent.replace(/\D/g, "")));
		}).observe(kept, { subtree: true, childList: true, characterData: true })`)
	o.change(func() {
		o.sessions[3]["sent_records"] = 1_003_000
		o.sessions = append([]map[string]any{newSession(10)}, append(o.sessions[:1:1], o.sessions[2:]...)...)
		o.sessions[0]["session"] = "r"
	})
	// The one that is gone stays where it was, the new one is below, and what is open stays so.
	until(ctx, t, rowsAre+`"s00000,s00001,s00002,s00003,r"`)
	until(ctx, t, `"ended" in document.querySelector("[data-session=s00001]").dataset`)
	until(ctx, t, `document.activeElement === kept.querySelector("button") && kept.querySelector("button").ariaExpanded === "true"`)
	until(ctx, t, `filter.isConnected && kept.querySelector(".details").textContent.includes("1,003,000 records")`)
	until(ctx, t, `fastest > 0`) // a refresh later it is none again
	picture(ctx, t, "sessions-details")
	run(ctx, t, `document.querySelector("#sessions-part .again").click()`)
	until(ctx, t, rowsAre+`"r,s00000,s00002,s00003" && kept.isConnected && kept.querySelector(".details") !== null`)

	// A server that refuses or is away is told of, and what is shown stays.
	o.change(func() { o.away = true })
	until(ctx, t, stateIs+`"failed" && document.getElementById("state").textContent.includes("overloaded")`)
	until(ctx, t, rowsAre+`"r,s00000,s00002,s00003"`)
	o.change(func() { o.away = false })
	until(ctx, t, stateIs+`"live"`)
}

func TestKickAndDrainInABrowser(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 4)
	o.sessions[1]["principal"] = hostile
	ctx := o.show("#sessions")
	until(ctx, t, rowsAre+`"s00000,s00001,s00002,s00003"`)

	// With the keyboard alone: details, then the dialog, whose Cancel has the focus.
	run(ctx, t, `document.querySelector("[data-session=s00001] button").focus()`)
	keys(ctx, t, enterKey)
	until(ctx, t, `document.querySelector(".details") !== null`)
	keys(ctx, t, tabKey, tabKey, tabKey)
	until(ctx, t, `document.activeElement.textContent === "Kick…"`)
	for _, key := range []string{enterKey, escapeKey} {
		keys(ctx, t, enterKey)
		until(ctx, t, dialogIs+`document.activeElement.textContent === "Cancel" && document.querySelector("dialog h2").textContent.includes("\\u{202e}")`)
		picture(ctx, t, "sessions-kick")
		keys(ctx, t, key)
		until(ctx, t, noDialog+`document.activeElement.textContent === "Kick…"`)
	}
	if got := o.acted(); len(got) > 0 {
		t.Errorf("did %q without a yes", got)
	}
	keys(ctx, t, enterKey, tabKey, enterKey)
	o.actedOnce(ctx, "DELETE /v1/admin/sessions/s00001")
	until(ctx, t, `"ended" in document.querySelector("[data-session=s00001]").dataset && document.querySelector("[data-session=s00001]").contains(document.activeElement)`)

	yes := func(act string) {
		t.Helper()
		run(ctx, t, act)
		until(ctx, t, dialogIs+"true")
		run(ctx, t, `document.querySelector("dialog .choices button:last-child").click()`)
	}
	run(ctx, t, `document.querySelector("[data-session=s00002] button").click()`)
	yes(`document.querySelector("[data-session=s00002] .details .choices button").click()`)
	o.actedOnce(ctx, "POST /v1/admin/sessions/s00002/drain")
	yes(`document.getElementById("sessions-drain").click()`)
	o.actedOnce(ctx, "POST /v1/admin/drain")

	// An act that is refused is said to be.
	o.change(func() { o.away = true })
	yes(`document.getElementById("sessions-drain").click()`)
	until(ctx, t, `document.getElementById("sessions-result").dataset.kind === "bad" && document.getElementById("sessions-result").textContent.startsWith("overloaded")`)
	for _, width := range []int{390, 640} { // 640: 1280 at 200 %
		fits(ctx, t, width)
		picture(ctx, t, fmt.Sprint("sessions-", width))
	}
}

func TestNamedCursorsInABrowser(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 0)
	ctx := o.show("#sessions?show=cursors&stream=orders")
	until(ctx, t, `document.querySelectorAll("#cursors-table > tbody").length === 2`)
	until(ctx, t, `document.querySelector("[data-cursor=web-7]").textContent.includes("0: 120, 1: 88, 2: 101")`)
	until(ctx, t, `document.querySelectorAll("#view img").length === 0`)
	picture(ctx, t, "cursors")

	move := `document.querySelector("[data-cursor=web-7] .acts button").click()`
	to := func(fields string) {
		t.Helper()
		run(ctx, t, move)
		until(ctx, t, dialogIs+`document.getElementById("move-kind").checkVisibility()`)
		run(ctx, t, fields+`; document.getElementById("move-kind").dispatchEvent(new Event("change")); document.getElementById("move-form").requestSubmit()`)
	}
	for _, test := range []struct{ fields, says, from string }{
		{`document.getElementById("move-kind").value = "earliest"`, "oldest", "earliest"},
		{`document.getElementById("move-kind").value = "latest"`, "end of the stream", "latest"},
		{
			`document.getElementById("move-kind").value = "offset"; document.getElementById("move-partition").value = "1"; document.getElementById("move-offset").value = "9007199254740993"`,
			"offset 9007199254740993 of partition 1; the others stay", "offset:0:120,1:9007199254740993,2:101\"",
		},
		{`document.getElementById("move-kind").value = "cursor"; document.getElementById("move-cursor").value = " v1.abc "`, "v1.abc", "v1.abc"},
		{`document.getElementById("move-kind").value = "time"; document.getElementById("move-time").value = "2026-01-02T03:04:05"`, "2026", `2026-01-0`},
	} {
		to(test.fields)
		// From where to where, and Cancel has the focus.
		until(ctx, t, `!document.getElementById("move-sure").hidden && document.activeElement.id === "move-cancel"`)
		until(ctx, t, fmt.Sprintf(`document.getElementById("move-from").textContent.includes("0: 120") && document.getElementById("move-to").textContent.includes(%q)`, test.says))
		picture(ctx, t, "cursors-move")
		run(ctx, t, `document.getElementById("move-yes").click()`)
		until(ctx, t, noDialog+`document.getElementById("sessions-result").textContent.includes("to 0: 5")`)
		got := o.acted()
		if len(got) != 1 || !strings.HasPrefix(got[0], `PUT /v1/admin/cursors/orders/web-7 {"principal":"user:fleet:u1","from":"`+test.from) {
			t.Errorf("%s: did %q", test.from, got)
		}
		o.change(func() { o.acts = nil })
	}
	to(`document.getElementById("move-kind").value = "offset"; document.getElementById("move-offset").value = "-1"`)
	until(ctx, t, `document.getElementById("move-sure").hidden && document.getElementById("move-fault").textContent.includes("offset")`)
	keys(ctx, t, escapeKey)
	until(ctx, t, noDialog+"true")

	run(ctx, t, `document.querySelector("[data-cursor^=audit] .acts button:last-child").click()`)
	until(ctx, t, dialogIs+`document.activeElement.textContent === "Cancel" && document.querySelector("dialog").textContent.includes("A live subscription holds")`)
	run(ctx, t, `document.querySelector("dialog .choices button:last-child").click()`)
	until(ctx, t, noDialog+`document.getElementById("sessions-result").textContent.startsWith("Removed")`)
	if got := o.acted(); len(got) != 1 || !strings.HasPrefix(got[0], "DELETE /v1/admin/cursors/orders/audit%402%3Aeu?principal=user%3Afleet%3A%253Cimg") {
		t.Errorf("did %q", got)
	}
	fits(ctx, t, 390)
	picture(ctx, t, "cursors-390")
}

// TestViewsOfOperatorsAreWithheld: who has no right is told so, also once it is lost.
func TestViewsOfOperatorsAreWithheld(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 3)
	o.principal = map[string]any{"principal": "u42", "anonymous": false, "admin": false}
	ctx := o.show("#sessions")
	until(ctx, t, `document.getElementById("withheld-says")?.textContent.includes("The principal u42 does not have the right")`)
	until(ctx, t, `[...document.querySelectorAll("#views a")].every((a) => a.textContent !== "Sessions" && a.textContent !== "Health")`)
	run(ctx, t, `location.hash = "#health"`)
	until(ctx, t, `document.getElementById("withheld-title").textContent === "Health"`)
	picture(ctx, t, "withheld")

	// An operator of a tenant sees its own, and asks for nothing that it may not see.
	o.change(func() { o.principal = map[string]any{"principal": "t-ops", "tenant": "acme", "admin": true} })
	run(ctx, t, `location.reload()`)
	until(ctx, t, `document.querySelectorAll("#health-streams tr").length === 2 && !document.getElementById("health-charts").checkVisibility()`)
	run(ctx, t, `location.hash = "#sessions"`)
	until(ctx, t, rowsAre+`"s00000,s00001,s00002" && !document.getElementById("sessions-drain").checkVisibility()`)
	until(ctx, t, `performance.getEntriesByType("resource").every((r) => !/admin\/(instance|metrics)/.test(r.name))`)
}
