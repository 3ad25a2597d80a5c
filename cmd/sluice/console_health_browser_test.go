package main

import (
	"fmt"
	"testing"

	"sluice/transport/client"
)

// TestConsoleShowsHealth: what Health shows is what the metrics say.
func TestConsoleShowsHealth(t *testing.T) {
	t.Parallel()
	o := newOperations(t)
	operator := o.token("ops", "operate")
	f := o.follow(t.Context(), o.token("u42", "live"), client.Earliest)
	o.produce(0, 40)
	f.until(t, 40)

	o.open("#health", operator)
	o.until(`document.getElementById("health-verdict")?.dataset.verdict === "ok"`)
	o.until(`[...document.querySelectorAll("#health-checks .name")].map((name) => name.textContent).includes("redis")`)
	o.until(`document.querySelector("#health-streams tr")?.textContent.includes("live for")`)

	legend := func(figure, series string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("[data-figure=%s] .legend li")].find((li) => li.querySelector("bdi").textContent === %q)?.querySelector("b").textContent`, figure, series)
	}
	cell := func(n int) string {
		return fmt.Sprintf(`document.querySelector("#health-streams tr").children[%d].textContent`, n)
	}
	row := func(name string) string {
		return fmt.Sprintf(`[...document.querySelectorAll(".told tr")].find((tr) => tr.querySelector("th").textContent === %q)?.querySelector("td").textContent`, name)
	}
	// The numbers are those of a server at rest. Records from before the stream was read are
	// not among those that were read.
	for expression, metric := range map[string]string{
		legend("sessions", "websocket"): `sluice_sessions{protocol="websocket"}`,
		cell(2):                         "", // partitions
		cell(3):                         "sluice_stream_subscribers{",
		cell(5):                         "sluice_stream_records_read_total{",
		row("Subscriptions"):            "sluice_subscriptions ",
	} {
		want := 1.0
		if metric != "" {
			want = o.metrics(operator, metric)
		}
		o.until(fmt.Sprintf(`Number(%s) === %v`, expression, want))
	}

	// What flows is a rate within one interval, and the rates add up.
	o.do(`import(document.querySelector("link[rel=icon]").href.replace("icon.svg", "health/collector.js")).then((m) => {
		window.sum = (series) => m.collector.samples.reduce((sum, s, i, all) => sum + (i ? (s.values.get("records").get(series) ?? 0) * (s.at - all[i - 1].at) / 1000 : 0), 0); })`)
	o.until(`window.sum !== undefined && sum("out") < 1`)
	o.produce(40, 100)
	f.until(t, 100)
	o.until(`Math.abs(sum("in") - 60) < .01 && Math.abs(sum("out") - 60) < .01`)
	o.until(`document.querySelector("[data-figure=records] path.line") !== null`)
}
