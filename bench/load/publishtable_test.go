package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/bench/load/scenario"
)

// publishes is a result of clients that publish, with the CPU seconds of a million records.
func publishes(t *testing.T, server string, seconds, p99 float64) result {
	t.Helper()
	r := took("readings", server, seconds, 2, p99)
	r.Publish, r.Deliveries, r.Produced = 1000, 5000, 5000
	for _, text := range []string{"ack_p99_ms <= bare * 2", "records_per_cpu_second >= 40_000"} {
		target, err := scenario.ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		r.Targets = append(r.Targets, target)
	}
	return r
}

func TestTablesOfPublishing(t *testing.T) {
	t.Parallel()
	var results []result
	for _, p99 := range []float64{9, 30} {
		bare, one := publishes(t, titleBare, 10, 10), publishes(t, "sluice", 20, p99)
		bare.Targets = nil
		one.beside(bare.phase)
		one.judge(nil)
		results = append(results, one, bare)
	}
	read := took("busy", "sluice", 4, 2, 10)
	dir := t.TempDir()
	page, front := filepath.Join(dir, "page.md"), filepath.Join(dir, "front.md")
	const marks = "<!-- measured: begin -->\nstale readers\n<!-- measured: end -->\n<!-- published: begin -->\nstale publishers\n<!-- published: end -->\n"
	write := func(file, text string, r report) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.into(file); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	got := write(page, marks, report{Results: results})
	for _, want := range []string{
		"stale readers",
		"| p50 ÷ bare | p99 ÷ bare (≤ 2) |",
		"| readings | sluice | 1,000 | 0 | 20.0 | 50,000 | 2.0 | 9.0 | 0.0 | 2.00 | 1.00 | 0.90 |",
		"|  | bare | 1,000 | 0 | 10.0 | 100,000 | 2.0 | 10.0 |",
		"| 2.00 | 1.00 | **3.00** |",
		"|  | median of 2 |  |  |  |  |  |  |  | 2.00 | 1.00 | 1.95 |",
		"| readings | answer p99 ≤ bare × 2 | 20.0 ms | 9.0 ms | met | 0.00 |",
		"|  | records a processor second ≥ 40,000 | 40,000 | 50,000 | met |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "stale publishers") || strings.Count(got, "median") != 1 {
		t.Errorf("tables of publishers:\n%s", got)
	}
	columnsFit(t, got)

	// Each part of a page is written if the run has results for it.
	if got := write(page, marks, report{Results: []result{read}}); !strings.Contains(got, "stale publishers") || strings.Contains(got, "stale readers") {
		t.Errorf("of readers alone:\n%s", got)
	}
	if got := write(page, marks, report{Results: append(results, read)}); strings.Contains(got, "stale") || strings.Count(got, "readings") == 0 || strings.Count(got, "busy") == 0 {
		t.Errorf("of both:\n%s", got)
	}
	if text := "<!-- headline: begin -->\nstale\n<!-- headline: end -->\n"; write(front, text, report{Results: results}) != text {
		t.Error("the front page has been changed")
	}
	var out strings.Builder
	if err := (report{Results: append(results, read)}).writeMarkdown(&out); err != nil || !strings.Contains(out.String(), "## Publishing") {
		t.Errorf("printed: %v\n%s", err, out.String())
	}
}
