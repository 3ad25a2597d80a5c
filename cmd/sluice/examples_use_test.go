package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// publishTo publishes a record in JSON, which may become a dead letter.
func publishTo(t *testing.T, address, stream, record string) {
	t.Helper()
	for ends := time.Now().Add(soon); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Post("http://"+address+"/v1/streams/"+stream+"/records", "application/json", strings.NewReader(record))
		if err != nil {
			t.Fatal(err)
		}
		text := readAll(t, answer.Body)
		_ = answer.Body.Close()
		switch {
		case answer.StatusCode/100 == 2:
			return
		case answer.StatusCode != http.StatusServiceUnavailable || time.Now().After(ends): // else Kafka is slow, and it is not stored
			t.Fatalf("%s is answered %s: %s", record, answer.Status, text)
		}
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExampleChat: a message shows at once and then once, where others see it, too; what is not
// accepted is said where it is, and can be edited.
func TestExampleChat(t *testing.T) {
	t.Parallel()
	address := startDev(t)
	page := watch(t, openTab(t))
	p := page.visit(t, "http://"+address+"/examples/chat")
	p.until(`is("state", "live")`)
	p.evaluate(`document.querySelector("form").requestSubmit()`)
	p.until(`is("fault", "Say who you are.") && document.activeElement === at("name") && at("name").getAttribute("aria-invalid") === "true"`)
	p.evaluate(`type(at("name"), "Ada"); type(at("text"), "Is <b>anybody</b> here?"); document.querySelector("form").requestSubmit();
		window.atOnce = document.querySelector("#waiting li p").textContent`)
	p.until(`atOnce === "Is <b>anybody</b> here?" && is("fault", "")`)
	p.until(`document.querySelector("#log li.own p")?.textContent === atOnce && !document.querySelector("#waiting li")`)
	publishTo(t, address, "chat.lobby", `{"key":"Ben","data":{"text":"I am"}}`)
	p.until(`document.querySelector("#log li:last-child:not(.own) p")?.textContent === "I am"`)

	p.evaluate(`type(at("text"), "x".repeat(5000)); document.querySelector("form").requestSubmit()`)
	p.until(`/^Not accepted: .*4096/.test(document.querySelector("#waiting li[data-state=failed] small")?.textContent)`)
	p.picture("example-chat-rejected")
	p.evaluate(`document.querySelector("#waiting button").click()`)
	p.until(`at("text").value.length === 5000 && document.activeElement === at("text") && !document.querySelector("#waiting li")`)

	// What has come is there for the next visitor, each message once.
	p = page.visit(t, "http://"+address+"/examples/chat")
	p.until(`is("state", "live") && [...document.querySelectorAll("#log p")].map((p) => p.textContent).join() === "Is <b>anybody</b> here?,I am"`)
	p.until(`at("name").value === "Ada"`)
	page.expectNoFaults(t)
}

// TestExampleBoard: a reading that breaks the schema is shown among the rejected ones, one that
// is out of range alarms, and a device that sends no more is silent.
func TestExampleBoard(t *testing.T) {
	t.Parallel()
	address := startDev(t)
	page := watch(t, openTab(t))
	p := page.visit(t, "http://"+address+"/examples/iot")
	p.until(drawnDevices)
	send := func(temp string) {
		p.evaluate(fmt.Sprintf(`type(at("device"), "pump-9"); type(at("temp"), %q); document.querySelector("form").requestSubmit()`, temp))
	}
	tile := func(what string) string {
		return `[...document.querySelectorAll(".device")].some((d) => d.firstChild.textContent === "pump-9" && ` + what + `)`
	}
	send("warm")
	p.until(`/^Kept apart: .temp_c must be a number/.test(at("answer").textContent)`)
	p.until(`/pump-9: .temp_c must be a number.*"warm"/.test(at("letters").firstChild?.textContent)`)
	send("80")
	p.until(`/^Stored in iot.telemetry/.test(at("answer").textContent)`)
	p.until(tile(`d.dataset.state === "alarm" && d.lastChild.textContent === "temperature out of range"`))
	send("21,5")
	p.until(tile(`d.dataset.state === "ok" && d.textContent.includes("21.5 °C") && d.getAttribute("aria-pressed") === "true"`))
	p.evaluate(`at("command").click()`)
	p.until(`/^Stored in iot.commands/.test(at("answer").textContent)`)
	p.until(tile(`d.dataset.state === "silent" && /^silent for 2\d s/.test(d.lastChild.textContent)`))
	page.expectNoFaults(t)
}

const drawnDevices = `is("state", "live") && /^12\d devices/.test(at("all").textContent)`

// TestExampleMarket: a page that was paused for long has the newest tick of each symbol, and is
// told how many were left out.
func TestExampleMarket(t *testing.T) {
	t.Parallel()
	address := startDevWith(t, devFlags{rates: map[string]string{"market.ticks": "500"}})
	page := watch(t, openTab(t))
	p := page.visit(t, "http://"+address+"/examples/market")
	p.until(`is("state", "live") && document.querySelectorAll("tbody tr").length === 24`)
	for paused := 4 * time.Second; p.text(`at("omitted").textContent`) == "0"; paused *= 2 {
		// Only who has caught up can fall behind.
		p.until(`is("state", "live") && +at("rate").textContent > 0 && +at("rate").textContent < 2000`)
		p.evaluate(`at("pause").click()`)
		time.Sleep(paused) // how much is left out depends on it
		p.evaluate(`at("pause").click(); window.since = performance.now()`)
		p.until(`+at("omitted").textContent > 0 || performance.now() - since > 5000`)
	}
	p.until(`is("state", "live") && +at("drawn").textContent > 0`)
	p.evaluate(`document.querySelector("[data-by=price]").click()`)
	p.until(`(() => { const all = [...document.querySelectorAll("[data-part=price]")].map((c) => +c.textContent); return all[0] > 300 && all[0] >= all[1] && all.at(-2) >= all.at(-1); })()`)
	page.expectNoFaults(t)
}

// TestExamplePhone: asleep there is no connection, and after each kind of sleep all that was
// written meanwhile is there, once.
func TestExamplePhone(t *testing.T) {
	t.Parallel()
	// The page shows the last 200 edits, among which are to be those of the test.
	address := startDevWith(t, devFlags{rates: map[string]string{"wiki.edits": "2"}})
	page := watch(t, openTab(t))
	url := "http://" + address + "/examples/phone"
	p := page.visit(t, url)
	p.until(`is("state", "live") && +at("received").textContent >= 20`)
	round := 0
	write := func() (seen string) {
		t.Helper()
		round++
		for i := range 5 {
			publishTo(t, address, "wiki.edits", fmt.Sprintf(`{"key":"%d","data":{"title":"round %d, edit %d","user":"a test"}}`, i, round, i))
		}
		return fmt.Sprintf(`(() => { const titles = [...document.querySelectorAll("#edits b")].map((b) => b.textContent);
			return [0, 1, 2, 3, 4].every((i) => titles.filter((t) => t === "round %d, edit " + i).length === 1) && is("repeats", "0") && is("losses", "0") && is("gaps", "0"); })()`, round)
	}
	closed := func() {
		t.Helper()
		for deadline := time.Now().Add(soon); page.open() > 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the page is connected while it sleeps")
			}
		}
	}

	p.evaluate(`at("sleep").click()`)
	p.until(`document.activeElement === at("wake")`)
	closed()
	seen := write()
	p.evaluate(`at("wake").click()`)
	p.until(seen)
	p.until(`/^After [\d.]+ s of sleep \d+ edits caught up in/.test(at("woken").textContent)`)

	hide := `Object.defineProperty(document, "hidden", {value: %v, configurable: true}); document.dispatchEvent(new Event("visibilitychange"))`
	p.evaluate(fmt.Sprintf(hide, true))
	closed()
	seen = write()
	p.evaluate(fmt.Sprintf(hide, false))
	p.until(seen)

	page.visit(t, "http://"+address+"/examples/")
	seen = write()
	p = page.visit(t, url)
	p.until(seen)
	page.expectNoFaults(t)

	for _, offline := range []bool{true, false} {
		if _, err := chromedp.Call(p.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}); err != nil {
			t.Fatal(err)
		}
		if offline {
			p.until(`/offline|no network/.test(at("state").textContent)`)
			seen = write()
		}
	}
	p.until(seen)

	// The counts are no decoration.
	p = page.visit(t, "http://"+address+"/examples/")
	p.evaluate(`{ const counts = JSON.parse(localStorage.getItem("phone-counts")); counts.next[0] -= 3; localStorage.setItem("phone-counts", JSON.stringify(counts)) }`)
	p = page.visit(t, url)
	p.until(`is("losses", "3") && is("repeats", "0")`)
}
