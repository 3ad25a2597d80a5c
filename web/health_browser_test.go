package web_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// module imports a module of the console in the page as window.NAME.
func module(ctx context.Context, t *testing.T, name, path string) {
	t.Helper()
	run(ctx, t, fmt.Sprintf(`import(document.querySelector("link[rel=icon]").href.replace("icon.svg", %q)).then((m) => { window[%q] = m; })`, path, name))
	until(ctx, t, "window."+name+" !== undefined")
}

// equal checks what an expression in the page is, as JSON.
func equal(ctx context.Context, t *testing.T, expression, want string) {
	t.Helper()
	if got := value(ctx, t, "JSON.stringify("+expression+")"); got != want {
		t.Errorf("%s is %s, want %s", expression, got, want)
	}
}

// TestMetricsAreUnderstood: the console reads the text format of Prometheus as it is
// specified, and what two scrapes tell as Prometheus does.
func TestMetricsAreUnderstood(t *testing.T) {
	t.Parallel()
	ctx := newOperated(t, 0).show("#docs")
	module(ctx, t, "p", "health/prometheus.js")
	run(ctx, t, `window.text = (t) => JSON.stringify([...p.parse(t)].map(([name, all]) => [name, all.map((s) => [Object.fromEntries(s.labels), String(s.value)])]))`)
	for _, test := range []struct{ text, want string }{
		{"# HELP a b\n# TYPE a counter\na 1\n", `[["a",[[{},"1"]]]]`},
		{"a{} 1.5e3 1700000000000\r\n", `[["a",[[{},"1500"]]]]`},
		{`a{x="1",y="b c",} +Inf` + "\n" + `a{x="2"} NaN`, `[["a",[[{"x":"1","y":"b c"},"Infinity"],[{"x":"2"},"NaN"]]]]`},
		{`a{x="q\"} 7 \\n\n"} 2`, `[["a",[[{"x":"q\"} 7 \\n\n"},"2"]]]]`},
		{"a{x=\"\u202e<b>\"} -0.5", "[[\"a\",[[{\"x\":\"\u202e<b>\"},\"-0.5\"]]]]"},
		{"a one\n{x=\"1\"} 1\na{x=1} 2\na{x=\"1\" 2\n\n9a 1\nb 3", `[["b",[[{},"3"]]]]`},
	} {
		if got := value(ctx, t, fmt.Sprintf(`text(%q)`, test.text)); got != test.want {
			t.Errorf("%q: %s, want %s", test.text, got, test.want)
		}
	}

	run(ctx, t, `window.between = (before, now, seconds) => new p.Interval(p.parse(now), before === null ? null : p.parse(before), seconds)`)
	for _, test := range []struct{ expression, want string }{
		// Series that were not there were zero; those that have begun anew, too.
		{`between('a{c="x"} 10\na{c="y"} 7', 'a{c="x"} 20\na{c="y"} 4\na{c="z"} 5', 2).rate("a")`, `9.5`},
		{`[...between('a{c="x",d="1"} 1', 'a{c="x",d="1"} 3\na{c="x",d="2"} 4', 2).rates("a", "c")]`, `[["x",3]]`},
		{`[between(null, "a 1", 5).rate("a"), between("", "b 1", 5).rate("a")]`, `[null,null]`},
		{`[...between(null, 'a{c="x"} 1\na{c="x"} 2\na{c="y"} 5', 5).values("a", "c")]`, `[["x",3],["y",5]]`},
		// Ten observations, all of them in the bucket from 1 to 2 seconds.
		{`between('h_bucket{le="1"} 5\nh_bucket{le="2"} 5\nh_bucket{le="+Inf"} 5', 'h_bucket{le="1"} 5\nh_bucket{le="2"} 15\nh_bucket{le="+Inf"} 15', 5).quantile("h", .5)`, `1.5`},
		{`between('', 'h_bucket{le="+Inf"} 4\nh_bucket{le="1"} 1\nh_bucket{le="2"} 2', 5).quantile("h", .99)`, `2`},
		{`between('h_bucket{le="1"} 5\nh_bucket{le="+Inf"} 5', 'h_bucket{le="1"} 5\nh_bucket{le="+Inf"} 5', 5).quantile("h", .5) ?? "none"`, `"none"`},
	} {
		equal(ctx, t, test.expression, test.want)
	}
}

// TestCollectorOfMetrics: gaps, restarts of the process, answers of several instances, and
// the bound of what is kept.
func TestCollectorOfMetrics(t *testing.T) {
	t.Parallel()
	ctx := newOperated(t, 0).show("#docs")
	module(ctx, t, "c", "health/collector.js")
	module(ctx, t, "p", "health/prometheus.js")
	run(ctx, t, `window.at = 1e12;
		window.tell = (seconds, started, n) => { at += seconds * 1000; c.collector.add(p.parse("process_start_time_seconds " + started + "\nsluice_events_sent_total " + n), at, at); };
		window.last = () => { const s = c.collector.samples.at(-1); return [s.gap, s.values.get("records").get("out") ?? null]; }`)
	tell := func(seconds, started, n int, want string) {
		t.Helper()
		run(ctx, t, fmt.Sprintf("tell(%d, %d, %d)", seconds, started, n))
		equal(ctx, t, "last()", want)
	}
	tell(0, 1e8, 1000, "[true,null]")
	tell(5, 1e8, 1500, "[false,100]")
	tell(60, 1e8, 7500, "[true,100]") // the page slept
	tell(5, 1e9+67, 50, "[false,10]") // a restart
	tell(5, 1e8, 8000, "[false,null]")
	equal(ctx, t, "c.collector.several", "true")
	run(ctx, t, `for (let n = 0; n < 2000; n++) tell(5, 1e8, 8000)`)
	equal(ctx, t, "[c.collector.samples.length, c.collector.samples.at(-1).at - c.collector.samples[0].at]", "[721,3600000]")

	module(ctx, t, "x", "health/axis.js")
	for _, test := range []struct{ expression, want string }{
		{`x.axisOf(0)`, `{"top":1,"ticks":[0]}`},
		{`x.axisOf(7)`, `{"top":8,"ticks":[0,2,4,6,8]}`},
		{`x.axisOf(81234)`, `{"top":100000,"ticks":[0,50000,100000]}`},
		{`x.axisOf(3 * 1024 ** 2, "bytes")`, `{"top":3145728,"ticks":[0,1048576,2097152,3145728]}`},
	} {
		equal(ctx, t, test.expression, test.want)
	}
}

// history fills the collector with an hour of what a server could have told.
const history = `
	const { collector } = c;
	const now = Date.now();
	collector.samples = []; collector.last = null;
	const n = { in: 0, out: 0, stored: 0, bad: 0, cpu: 0, p: [0, 0, 0, 0, 0] };
	for (let i = 0; i < 720; i++) {
		const wave = 1 + Math.sin(i / 40) * .4 + Math.sin(i * i) * .06;
		n.in += 9000 * wave; n.out += 240000 * wave; n.stored += 700 * wave; n.bad += i % 40 < 4 ? 12 : 0; n.cpu += 4.2 * wave;
		n.p = n.p.map((v, k) => v + [100, 400, 600, 690, 700][k] * wave);
		if (i > 300 && i < 340) continue;
		const at = now - (720 - i) * 5000;
		collector.add(p.parse([
			"process_start_time_seconds 1", "sluice_stream_records_read_total{stream=\"orders\"} " + n.in, "sluice_events_sent_total{protocol=\"websocket\"} " + n.out,
			"sluice_publishes_total{result=\"stored\"} " + n.stored, "sluice_publishes_total{result=\"rate_limited\"} " + n.bad,
			"sluice_stream_events_bytes_total{stream=\"orders\"} " + n.in * 210, "sluice_sent_bytes_total{protocol=\"websocket\"} " + n.out * 190,
			...[".005", ".01", ".025", ".1", "+Inf"].map((le, k) => "sluice_publish_seconds_bucket{le=\"" + le + "\"} " + n.p[k]),
			"sluice_delivery_lag_seconds " + .002 * wave, "sluice_sessions{protocol=\"websocket\"} " + Math.round(4000 * wave), "sluice_sessions{protocol=\"sse\"} " + Math.round(1200 / wave),
			"sluice_sessions{protocol=\"mqtt\"} 80", "sluice_faults_total{code=\"rate_limited\"} " + n.bad, "sluice_faults_total{code=\"forbidden\"} " + n.bad / 3,
			"process_resident_memory_bytes " + 2.1e8 * wave, "go_memstats_heap_alloc_bytes " + 9e7 * wave, "sluice_stream_log_bytes{stream=\"orders\"} " + 3e7,
			"process_cpu_seconds_total " + n.cpu, "go_sched_gomaxprocs_threads 2", "sluice_gaps_sent_total{protocol=\"sse\"} " + (i > 700 ? 20 : 0),
			"sluice_late_bytes 1048576", "sluice_late_waiting 2", "sluice_subscriptions 5310", "sluice_webhook_breaker_open 1", "process_open_fds 5404",
		].join("\n")), at, at);
	}
	collector.last = null;
	for (const listener of collector.listeners) listener();`

func TestHealthInABrowser(t *testing.T) {
	t.Parallel()
	o := newOperated(t, 250)
	o.checks["redis"], o.degraded = "dial tcp 10.0.0.7:6379: connect: connection refused", []string{"redis"}
	o.metrics = "process_start_time_seconds 1\n"
	ctx := o.show("#health")
	until(ctx, t, `document.querySelectorAll("#health-checks li").length === 4`)
	until(ctx, t, `document.getElementById("health-verdict").textContent.startsWith("! Ready, but degraded: 1 check ")`)
	until(ctx, t, `document.querySelector("#health-checks [data-state=degraded]").textContent.includes("connection refused")`)
	until(ctx, t, `document.querySelector("#health-streams tr").textContent.includes("topic missing")`)
	until(ctx, t, `document.querySelectorAll("#view img").length === 0 && document.getElementById("health-streams").textContent.includes("2 retention")`)

	// A check that changes while the page looks: since when is known.
	o.change(func() { o.checks["kafka main"] = "no broker answers"; o.degraded = nil })
	until(ctx, t, `document.getElementById("health-verdict").dataset.verdict === "failing"`)
	until(ctx, t, `document.querySelector("#health-checks [data-state=failing] .since").textContent.startsWith("since ")`)

	module(ctx, t, "c", "health/collector.js")
	module(ctx, t, "p", "health/prometheus.js")
	run(ctx, t, history)
	until(ctx, t, `document.querySelector("[data-figure=records] .legend").textContent.includes("out")`)
	until(ctx, t, `document.querySelectorAll(".chart").length === 9 && [...document.querySelectorAll(".chart")].every((chart) => chart.querySelector("path.line"))`)

	// The keyboard goes through time, and the values are told. Meanwhile no answer moves the window, and
	// with it the place of what is looked at.
	run(ctx, t, `window.held = false; c.collector.collect = async () => { window.held = true; }`)
	until(ctx, t, `held`)
	run(ctx, t, `window.plot = document.querySelector("[data-figure=sessions] .plot"); plot.focus()`)
	keys(ctx, t, homeKey)
	oldest := value(ctx, t, `plot.getAttribute("aria-valuetext")`)
	until(ctx, t, `plot.getAttribute("aria-valuenow") === "0" && /websocket [\d,]+, sse [\d,]+, mqtt 80/.test(plot.getAttribute("aria-valuetext"))`)
	until(ctx, t, `plot.querySelector(".cross") !== null && plot.querySelectorAll("circle").length === 3`)
	keys(ctx, t, "\u0304", "\u0304") // right
	until(ctx, t, `plot.getAttribute("aria-valuenow") === "2" && plot.getAttribute("aria-valuetext") !== `+fmt.Sprintf("%q", oldest))
	keys(ctx, t, escapeKey)
	until(ctx, t, `plot.querySelector(".cross") === null && plot.parentElement.querySelector(".when").textContent === "now"`)
	run(ctx, t, `delete c.collector.collect; c.collector.collect()`)

	// The hour has its gap, and a table.
	run(ctx, t, `document.getElementById("health-window").value = 3600000; document.getElementById("health-window").dispatchEvent(new Event("change"));
		document.querySelector("[data-figure=memory] summary").click()`)
	until(ctx, t, `document.querySelector("[data-figure=memory] path.line").getAttribute("d").split("M").length === 3`)
	until(ctx, t, `document.querySelectorAll("[data-figure=memory] table tbody tr").length > 50`)
	picture(ctx, t, "health")
	for _, dark := range []string{"light", "dark"} {
		for _, width := range []int{1280, 640, 390} {
			fits(ctx, t, width)
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), 3000)); err != nil {
				t.Fatal(err)
			}
			picture(ctx, t, fmt.Sprintf("health-%s-%d", dark, width))
		}
		run(ctx, t, `document.getElementById("theme").click()`)
	}

	// Another view does not end the collection, and another principal does.
	run(ctx, t, `window.latest = c.collector.samples.at(-1).at; location.hash = "#publish"`)
	until(ctx, t, `document.getElementById("publish") !== null && c.collector.samples.at(-1).at > latest`)
	o.change(func() { o.principal = map[string]any{"principal": "u42", "admin": false} })
	module(ctx, t, "s", "shared/server.js")
	run(ctx, t, `s.server.use("another")`)
	until(ctx, t, `c.collector.samples.length === 0 && [...document.querySelectorAll("#views a")].every((a) => a.textContent !== "Health")`)
}
