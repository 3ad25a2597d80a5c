package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"sluice/bench/load/scenario"
)

// took is a result with a CPU time per delivery in µs, and latencies.
func took(title, server string, micros, p50, p99 float64) result {
	r := result{Server: server, phase: phase{
		Seconds: 5, Meanwhile: 1e6, ServerCPU: micros, Latency: summary{Count: 1, P50: p50, P99: p99},
	}}
	r.Title, r.Clients = title, []scenario.Group{{Kind: scenario.WebSocket, Count: 1}}
	return r
}

func bareTargets(t *testing.T) []scenario.Target {
	t.Helper()
	var all []scenario.Target
	for _, text := range []string{"cpu_us_per_delivery <= bare * 1.15", "p50_ms <= bare * 1.2", "p99_ms <= bare * 1.2"} {
		target, err := scenario.ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, target)
	}
	return all
}

func TestRatiosToBare(t *testing.T) {
	t.Parallel()
	var results []result
	for _, micros := range []float64{4.4, 5, 4.8} {
		bare, busy := took("busy", titleBare, 4, 2, 10), took("busy", "sluice", micros, 2.2, 13)
		busy.Targets = bareTargets(t)
		busy.beside(bare.phase)
		busy.judge(nil)
		results = append(results, busy, bare)
	}
	var out strings.Builder
	if err := (report{Results: results}).writeMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| CPU ÷ bare (≤ 1.15) | p50 ÷ bare (≤ 1.2) | p99 ÷ bare (≤ 1.2) |",
		"| busy | sluice | 4.40 | 2.2 | 13.0 | 1.10 | 1.10 | **1.30** | 0.00 |",
		"|  | bare | 4.00 | 2.0 | 10.0 |  |  |  | 0.00 |",
		"| busy | sluice | 5.00 | 2.2 | 13.0 | **1.25** | 1.10 | **1.30** | 0.00 |",
		"|  | median of 3 |  |  |  | 1.20 | 1.10 | 1.30 |  |",
		"| busy | processor time a delivery ≤ bare × 1.15 | 4.60 µs | 4.40 µs | met | 0.00 |",
		"| busy: bare | ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "median"); n != 1 {
		t.Errorf("%d medians in:\n%s", n, out.String())
	}
	columnsFit(t, out.String())

	text, err := json.Marshal(report{Results: results})
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 6 || got.Results[1].Server != titleBare || got.Results[0].OfBare == nil || got.Results[0].OfBare.P99 != 1.3 {
		t.Errorf("in JSON: %s", text)
	}
}

func TestPeersBesideBare(t *testing.T) {
	t.Parallel()
	results := []result{
		took("busy", "Sluice (WebSocket)", 6, 3, 11), took("busy", "Sluice (SSE)", 6, 3, 11), took("busy", "bare (WebSocket)", 4, 2, 10),
		{Server: "broken", Unmeasured: "no such program"},
	}
	results[1].Clients[0].Kind = scenario.SSE
	results[3].Title = "busy"
	besideBare(results)
	var out strings.Builder
	if err := (report{Peers: true, Results: results}).writeMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 1.50 | 1.50 | 1.10 | 0.00 |", "| broken | not measured |"} {
		if n := strings.Count(out.String(), want); n != 1 {
			t.Errorf("%q stands there %d times:\n%s", want, n, out.String())
		}
	}
	columnsFit(t, out.String())
}

func TestBareIsMeasuredInTurn(t *testing.T) {
	t.Parallel()
	s := scenario.Scenario{Name: "busy", Title: "busy", Rate: 1, Targets: bareTargets(t)}
	var order []string
	run := func(server string) func(scenario.Scenario) (result, error) {
		return func(s scenario.Scenario) (result, error) {
			order = append(order, server)
			return took(s.Title, server, 4, 2, 10), nil
		}
	}
	got, err := options{rounds: 3}.variants(s, io.Discard, run("sluice"), run(titleBare))
	if err != nil {
		t.Fatal(err)
	}
	if want := "sluice bare bare sluice sluice bare"; strings.Join(order, " ") != want {
		t.Errorf("measured %v, want %s", order, want)
	}
	for i, r := range got {
		if (r.OfBare != nil) != (i%2 == 0) || r.Server != []string{"sluice", titleBare}[i%2] {
			t.Errorf("result %d is of %s, ratios %v", i, r.Server, r.OfBare)
		}
	}
	// If no target is relative to bare, bare is not measured. A failure of the server
	// ends the run, and one of bare is reported.
	if got, err := (options{}).variants(scenario.Scenario{}, io.Discard, run("sluice"), run(titleBare)); err != nil || len(got) != 1 || got[0].OfBare != nil {
		t.Errorf("got %d results, %v", len(got), err)
	}
	broken := func(scenario.Scenario) (result, error) { return result{}, errServer }
	if _, err := (options{}).variants(s, io.Discard, broken, run(titleBare)); !errors.Is(err, errServer) {
		t.Errorf("got %v", err)
	}
	var progress strings.Builder
	got, err = options{}.variants(s, &progress, run("sluice"), broken)
	if err != nil || len(got) != 1 || got[0].Server != "sluice" || got[0].OfBare != nil {
		t.Errorf("got %d results, %v", len(got), err)
	}
	if !strings.Contains(progress.String(), errServer.Error()) {
		t.Errorf("the failure of bare is not reported: %s", progress.String())
	}
}

// columnsFit checks that all rows of a table have as many columns as its header.
func columnsFit(t *testing.T, text string) {
	t.Helper()
	columns := 0
	for row := range strings.Lines(text) {
		switch n := strings.Count(row, "|"); {
		case n == 0:
			columns = 0
		case columns == 0:
			columns = n
		case n != columns:
			t.Errorf("row %q has %d columns, the header %d", row, n-1, columns-1)
		}
	}
}
