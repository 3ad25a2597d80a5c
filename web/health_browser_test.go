package web_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// history fills the collector with an hour of what a server could have told.
const history = `(async () => {
	const base = document.querySelector("link[rel=icon]").href.replace("icon.svg", "");
	const { collector } = await import(base + "health/collector.js");
	const { parse } = await import(base + "health/prometheus.js");
	const now = Date.now();
	collector.samples = []; collector.last = null;
	let n = { in: 0, out: 0, stored: 0, sse: 0, bad: 0, p: [0, 0, 0, 0, 0] };
	for (let i = 0; i < 720; i++) {
		if (i > 300 && i < 340) continue;
		const wave = 1 + Math.sin(i / 40) * .4 + Math.random() * .2;
		n.in += 9000 * wave; n.out += 240000 * wave; n.stored += 700 * wave; n.bad += i % 90 < 5 ? 12 : 0; 
		n.p = n.p.map((v, k) => v + [100, 400, 600, 690, 700][k] * wave);
		const at = now - (720 - i) * 5000;
		collector.add(parse([
			"process_start_time_seconds 1", "sluice_stream_records_read_total{stream=\"orders\"} " + n.in, "sluice_events_sent_total{protocol=\"websocket\"} " + n.out,
			"sluice_publishes_total{result=\"stored\"} " + n.stored, "sluice_publishes_total{result=\"rate_limited\"} " + n.bad,
			"sluice_stream_events_bytes_total{stream=\"orders\"} " + n.in * 210, "sluice_sent_bytes_total{protocol=\"websocket\"} " + n.out * 190,
			...[".005", ".01", ".025", ".1", "+Inf"].map((le, k) => "sluice_publish_seconds_bucket{le=\"" + le + "\"} " + n.p[k]),
			"sluice_delivery_lag_seconds " + .002 * wave, "sluice_sessions{protocol=\"websocket\"} " + Math.round(4000 * wave), "sluice_sessions{protocol=\"sse\"} " + Math.round(1200 / wave),
			"sluice_sessions{protocol=\"mqtt\"} 80", "sluice_faults_total{code=\"rate_limited\"} " + n.bad, "sluice_faults_total{code=\"forbidden\"} " + n.bad / 3,
			"process_resident_memory_bytes " + 2.1e8 * wave, "go_memstats_heap_alloc_bytes " + 9e7 * wave, "sluice_stream_log_bytes{stream=\"orders\"} " + 3e7,
			"sluice_late_bytes 1048576", "sluice_late_waiting 2", "sluice_subscriptions 5310", "sluice_webhook_breaker_open 1", "process_open_fds 5404",
		].join("\n")), at, at);
	}
	for (const listener of collector.listeners) listener();
})().catch((e) => { document.title = "failed: " + e; }), true`

func TestHealthInABrowser(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 250)
	o.checks["redis"], o.degraded = "dial tcp 10.0.0.7:6379: connect: connection refused", []string{"redis"}
	ctx := o.show("#health")
	until(ctx, t, `document.querySelectorAll("#health-checks li").length === 4`)
	run(ctx, t, history)
	until(ctx, t, `document.querySelectorAll(".chart path.line").length > 20`)
	picture(ctx, t, "health")
	full := func(name string, width int) {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), 3000)); err != nil {
			t.Fatal(err)
		}
		until(ctx, t, `document.documentElement.scrollWidth <= innerWidth`)
		picture(ctx, t, name)
	}
	full("health-full", 1280)
	run(ctx, t, `document.getElementById("theme").click(); document.getElementById("health-window").value = 3600000; document.getElementById("health-window").dispatchEvent(new Event("change")); document.querySelector("[data-figure=memory] summary").click()`)
	full("health-dark", 1280)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 4400)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.documentElement.scrollWidth <= 390`)
	picture(ctx, t, "health-phone")
}
