package client_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// sockets returns how many WebSockets there are.
func (w *wire) sockets() (now, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, is := range w.conns {
		if is {
			now++
		}
	}
	return now, w.most
}

// crash ends the process of a page, which therefore does not answer.
func crash(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = chromedp.Call(ctx, page.Crash, cdp.Empty{})
}

// TestTabsShareAConnection: two tabs have one WebSocket. When the tab that has it is
// closed the other goes on, and so does one that comes later, over one WebSocket again; and
// others go on when its process has died.
func TestTabsShareAConnection(t *testing.T) {
	t.Parallel()
	first, origin := browser(t, t.TempDir())
	w := newWorld(t, origin)
	second, closeSecond := chromedp.NewContext(first)
	defer closeSecond()
	if err := chromedp.Do(second, chromedp.Navigate(origin+"/")); err != nil {
		t.Fatal(err)
	}
	const begin = `window.sluice = client.connect(at, {backoff: {min: 50, max: 500}}); window.orders = follow(sluice, "orders", {from: %q})`
	w.visit(first, t, "sluice/tabs.js")
	evaluate(first, t, fmt.Sprintf(begin, "earliest"))
	until(first, t, `window.orders && orders.states.includes("live")`)
	w.visit(second, t, "sluice/tabs.js")
	evaluate(second, t, fmt.Sprintf(begin, "latest"))
	until(second, t, `window.orders && orders.states.includes("live")`)

	stop := w.produce("orders", 10*time.Millisecond)
	until(first, t, "orders.count > 30")
	until(second, t, "orders.count > 30")
	if now, most := w.wire.sockets(); now != 1 || most != 1 {
		t.Errorf("there are %d WebSockets, and were %d", now, most)
	}
	// What a tab without the connection publishes is stored, too.
	evaluate(second, t, `results.published = (await sluice.publish("orders", {key: "k", data: {n: -1}})).partition >= 0`)
	until(second, t, "results.published")
	until(second, t, "orders.all.has(-1)")

	// The tab that has the connection goes away, with its page.
	if err := chromedp.Do(first, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	evaluate(second, t, "window.before = orders.count; results.before = 1")
	until(second, t, "results.before && orders.count > before + 30")

	// A tab that begins elsewhere is joined once it has caught up.
	if err := chromedp.Do(first, chromedp.Navigate(origin+"/")); err != nil {
		t.Fatal(err)
	}
	w.visit(first, t, "sluice/tabs.js")
	evaluate(first, t, fmt.Sprintf(begin, "earliest"))
	until(first, t, `window.orders && orders.states.includes("live")`)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if now, _ := w.wire.sockets(); now == 1 {
			break
		}
		if time.Now().After(deadline) {
			now, most := w.wire.sockets()
			t.Fatalf("there are still %d WebSockets, and were %d", now, most)
		}
	}

	// The process of the tab that has the connection dies.
	third, closeThird := chromedp.NewContext(first)
	defer closeThird()
	if err := chromedp.Do(third, chromedp.Navigate(origin+"/")); err != nil {
		t.Fatal(err)
	}
	w.visit(third, t, "sluice/tabs.js")
	evaluate(third, t, fmt.Sprintf(begin, "earliest"))
	until(third, t, `window.orders && orders.states.includes("live")`)
	crash(second)
	for _, tab := range []context.Context{first, third} {
		evaluate(tab, t, "window.before = orders.count; results.crashed = 1")
		until(tab, t, "results.crashed && orders.count > before + 30")
	}
	n := stop() + 1 // and the one that was published
	whole(first, t, "orders", n)
	whole(third, t, "orders", n)
}
