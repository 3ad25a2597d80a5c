package main

import (
	"errors"
	"os"
	"path/filepath"
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

// TestEachFileGetsItsTables: a file with the headline's markers must get the
// headline, any other file all tables.
func TestEachFileGetsItsTables(t *testing.T) {
	t.Parallel()
	r := report{Results: []result{
		{Scenario: scenario.Scenario{Name: "single", Title: "one"}, phase: phase{Seconds: 5, Deliveries: 500, Latency: summary{Count: 1, P50: 1.25, P99: 3}}, ServerRSS: 1 << 20},
		{Scenario: scenario.Scenario{Name: "idle-ws", Title: "idle"}, BytesPerClient: 2048},
		{Scenario: scenario.Scenario{Name: "another", Title: "another"}},
	}}
	dir := t.TempDir()
	front, page := filepath.Join(dir, "README.md"), filepath.Join(dir, "measurements.md")
	for file, mark := range map[string]string{front: markHeadline, page: markMeasured} {
		text := "<!-- " + mark + ": begin -->\nold\n<!-- " + mark + ": end -->\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.into(file); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(front)
	if err != nil {
		t.Fatal(err)
	}
	idle, one := strings.Index(string(got), "| idle | | | | | | | 2.0 KiB a client |"), strings.Index(string(got), "| one | 100 | 0 | 0.00 | 1.2 ms | 3.0 ms | 0.0 ms | 1.0 MiB |")
	if idle < 0 || one < idle || strings.Contains(string(got), "another") || strings.Contains(string(got), "old") {
		t.Errorf("the front page has:\n%s", got)
	}
	if got, err = os.ReadFile(page); err != nil || !strings.Contains(string(got), "| another |") || strings.Contains(string(got), "old") {
		t.Errorf("%v, the page has:\n%s", err, got)
	}
	for _, name := range headlines {
		if _, err := scenario.Find(name); err != nil {
			t.Error(err)
		}
	}
	if err := (report{Peers: true}).into(front); !errors.Is(err, errMarkers) {
		t.Errorf("a comparison on the front page: %v", err)
	}
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
