package main

import (
	"errors"
	"strings"
	"testing"

	"sluice/bench/load/scenario"
)

func TestTables(t *testing.T) {
	t.Parallel()
	target := func(text string) scenario.Target {
		got, err := scenario.ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	busy := result{
		Scenario: scenario.Scenario{Title: "busy", Targets: []scenario.Target{
			target("p99_ms <= floor + 6"), target("p50_ms <= before * 1.2"), target("missing <= 0"), target("rss_bytes_per_client <= 1"),
		}},
		Faults: map[string]int{"closed 1012 bye": 3},
		Before: &phase{Latency: summary{Count: 1, P50: 1}},
		phase: phase{
			Seconds: 5, Deliveries: 5, Missing: 2, ServerCPU: 1,
			Latency: summary{Count: 5, P50: 1, P99: 20}, Floor: summary{Count: 5, P99: 4},
		},
	}
	busy.judge(nil)
	idle := result{Scenario: scenario.Scenario{Title: "idle"}, BytesPerClient: 2048}
	var out strings.Builder
	if err := (report{Results: []result{busy, idle}}).writeMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| busy | p99 ≤ floor + 6.0 ms | 10.0 ms | 20.0 ms | missed by 100 % | 0.00 |",
		"|  | p50 ≤ before × 1.2 | 1.2 ms | 1.0 ms | met |  |",
		"|  | missing ≤ 0 | 0 | 2 | missed by 2 |  |",
		"| not measured |",
		"| busy: before |", "3 × closed 1012 bye", "| 2.0 KiB a client |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	columnsFit(t, out.String())
}

func TestTablesGoBetweenTheMarkers(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- x: begin -->", "<!-- x: end -->"
	text := "before\n" + begin + "\nold\n" + end + "\nbehind\n"
	got, err := between([]byte(text), "x", []byte("new\n"))
	if want := strings.Replace(text, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", begin, end + begin} {
		if _, err := between([]byte(bad), "x", nil); !errors.Is(err, errMarkers) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
