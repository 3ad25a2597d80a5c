package main

import (
	"fmt"
	"io"
	"slices"

	"sluice/bench/load/scenario"
)

// split returns the results of scenarios in which clients read, and of those in which
// they publish.
func (r report) split() (read, published []result) {
	for _, one := range r.Results {
		if one.Publish > 0 {
			published = append(published, one)
		} else {
			read = append(read, one)
		}
	}
	return read, published
}

// writePublished prints the results of scenarios in which clients publish.
func (r report) writePublished(w io.Writer) error {
	p := printer{w: w}
	p.printf("%s.\n\n", r.Machine)
	_, published := r.split()
	p.published(published)
	return p.err
}

// published prints results beside those of the peer bare, and the targets.
func (p *printer) published(results []result) {
	p.printf("| scenario | server | records/s | not stored | µs/record | records/CPU s | p50 | p99 | p99.9 | CPU ÷ bare | p50 ÷ bare | p99 ÷ bare%s | requests to Kafka/s | memory | other load |\n",
		bareTarget(results, publishOfBare[2]))
	p.printf("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for i, r := range results {
		title, ratios := r.Title, r.multiples()
		if r.Server == titleBare {
			title = ""
		}
		p.printf("| %s | %s | %s | %s | %s | %s | %.0f | %.1f MiB | %.2f |\n", title, r.Server, scenario.Count(int(float64(r.Deliveries)/r.Seconds)),
			scenario.Count(int(r.Missing)), r.answers(), ratios, float64(r.Requests)/r.Seconds, float64(r.ServerRSS)/(1<<20), r.OtherCPU/r.Seconds)
		last := !slices.ContainsFunc(results[i+1:], func(later result) bool { return later.Title == r.Title })
		if ratios, n := medians(results, r.Title); last && n > 1 {
			p.printf("|  | median of %d |  |  |  |  |  |  |  | %s |  |  |  |\n", n, ratios)
		}
	}
	p.printf("\nTimes in ms, from when a publish was due to its answer. Bare is an idempotent producer for which each record is due at the same times, without a server. Other load is what the machine spent meanwhile on work that is no part of the run, in cores. Bold misses its target.\n\n")
	if slices.ContainsFunc(results, func(r result) bool { return len(r.Verdicts) > 0 }) {
		p.targets(results)
	}
	p.faults(results)
}

// answers returns five cells: CPU time per record and its reciprocal, and latencies.
func (f phase) answers() string {
	cells := " | "
	if f.Meanwhile > 0 && f.ServerCPU > 0 {
		cells = fmt.Sprintf("%.1f | %s", f.ServerCPU*1e6/float64(f.Meanwhile), scenario.Count(int(float64(f.Meanwhile)/f.ServerCPU)))
	}
	return fmt.Sprintf("%s | %.1f | %.1f | %.1f", cells, f.Latency.P50, f.Latency.P99, f.Latency.P999)
}
