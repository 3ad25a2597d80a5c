package client_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// follow is a function of a page that follows a stream, and notes each record and whatever
// is wrong with the order of them.
const follow = `
window.follow = (sluice, stream, options) => {
  const seen = (results["follows " + stream + Object.keys(results).length] = {count: 0, faults: [], states: [], errors: [], gaps: 0, next: {}, all: new Set()});
  const subscription = sluice.subscribe(stream, options);
  subscription.on("state", ({state}) => seen.states.push(state));
  subscription.on("error", ({code}) => seen.errors.push(code));
  subscription.on("gap", () => seen.gaps++);
  (async () => {
    for await (const {partition, offset, data} of subscription) {
      if (seen.next[partition] !== undefined && seen.next[partition] !== offset) seen.faults.push([partition, seen.next[partition], offset]);
      seen.next[partition] = offset + 1;
      if (seen.all.has(data.n)) seen.faults.push("twice: " + data.n);
      seen.all.add(data.n);
      seen.count++;
    }
  })().catch((error) => seen.faults.push(String(error)));
  return seen;
};
`

// visit imports the client, as it is served, into a page of another origin.
func (w *world) visit(ctx context.Context, t *testing.T, module string) {
	t.Helper()
	evaluate(ctx, t, follow+fmt.Sprintf(`window.at = "http://%s"; window.client = await import(at + "/%s"); results.ready = true`, w.wire.Addr(), module))
	until(ctx, t, "results.ready")
}

// whole waits until a page has all records, and looks for faults.
func whole(ctx context.Context, t *testing.T, name string, count int64) {
	t.Helper()
	until(ctx, t, fmt.Sprintf("%s.count >= %d || %s.faults.length", name, count, name))
	time.Sleep(200 * time.Millisecond) // for what may come twice
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("JSON.stringify({count: %[1]s.count, faults: %[1]s.faults, gaps: %[1]s.gaps})", name)))
	if want := fmt.Sprintf(`{"count":%d,"faults":[],"gaps":0}`, count); err != nil || seen != want {
		states, _ := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("JSON.stringify([%[1]s.states, %[1]s.errors])", name)))
		t.Errorf("%s is %.1000s (%v), want %s; %.2000s", name, seen, err, want, states)
	}
}

// TestFaultsInChromium: a page has each record once after restarts, cuts, being offline,
// being frozen, and with tokens that expire every few seconds.
func TestFaultsInChromium(t *testing.T) {
	t.Parallel()
	ctx, origin := browser(t, t.TempDir())
	w := newWorld(t, origin)
	w.visit(ctx, t, "sluice.js")
	tokens, asked := w.tokens(5 * time.Second)
	stopOrders, stopPrivate := w.produce("orders", 5*time.Millisecond), w.produce("private", 20*time.Millisecond)
	evaluate(ctx, t, fmt.Sprintf(`
const backoff = {min: 50, max: 1000};
window.anyone = client.connect(at, {backoff});
window.user = client.connect(at, {backoff, token: async () => (await fetch(%q, {signal: AbortSignal.timeout(3000)})).text()});
window.orders = follow(anyone, "orders", {from: "earliest"});
window.events = follow(client.connect(at, {backoff, transports: ["sse"]}), "orders", {from: "earliest"});
window.paged = follow(client.connect(at, {backoff, transports: ["pages"]}), "orders", {from: "earliest"});
window.private_ = follow(user, "private", {from: "earliest"});
results.following = true`, tokens))
	until(ctx, t, `results.following && orders.count > 20 && events.count > 20 && paged.count > 20 && private_.count > 5`)

	moves := func() { until(ctx, t, `(before = [orders, events, paged, private_].map((s) => s.count), true)`) }
	on := func() {
		until(ctx, t, `[orders, events, paged, private_].every((s, i) => s.count > before[i] + 5 || s.faults.length)`)
	}
	evaluate(ctx, t, `window.before = []`)
	for range 3 {
		moves()
		w.wire.cut()
		on()
	}
	moves()
	w.restart()
	on()
	moves()
	w.wire.set(true)
	time.Sleep(500 * time.Millisecond)
	w.wire.set(false)
	on()
	for _, offline := range []bool{true, false} {
		if offline {
			moves()
		}
		w.wire.set(offline)
		if _, err := chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}); err != nil {
			t.Fatal(err)
		}
		if offline {
			time.Sleep(time.Second)
		}
	}
	on()
	moves()
	for _, state := range []page.SetWebLifecycleStateState{page.SetWebLifecycleStateStateFrozen, page.SetWebLifecycleStateStateActive} {
		if _, err := chromedp.Call(ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}); err != nil {
			t.Fatal(err)
		}
		if state == page.SetWebLifecycleStateStateFrozen {
			w.wire.cut()
			time.Sleep(2 * time.Second)
		}
	}
	on()
	for start := asked.Load(); asked.Load() < start+2; time.Sleep(50 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("the token was not renewed")
		}
	}
	n, private := stopOrders(), stopPrivate()
	for _, name := range []string{"orders", "events", "paged"} {
		whole(ctx, t, name, n)
	}
	whole(ctx, t, "private_", private)
	t.Logf("%d and %d records, %d tokens, %d WebSockets", n, private, asked.Load(), w.wire.opened)
}
