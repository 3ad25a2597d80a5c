package main

import (
	"fmt"
	"slices"
	"strings"

	"sluice/bench/load/scenario"
)

// besideBare prints the results measured beside the peer bare, and their ratios to
// those of bare. A ratio that misses its target is bold.
func (p *printer) besideBare(results []result) {
	i := slices.IndexFunc(results, func(r result) bool { return r.OfBare != nil })
	if i < 0 {
		return
	}
	p.printf("| scenario | server | µs/delivery | p50 | p99 |")
	for j, measure := range ofBareMeasures {
		p.printf(" %s ÷ bare%s |", [...]string{"CPU", "p50", "p99"}[j], bareTarget(results, measure))
	}
	p.printf(" other load |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for i, r := range results {
		switch {
		case r.OfBare != nil:
			p.printf("| %s | %s | %s | %s | %.2f |\n", r.Title, r.Server, r.took(), r.multiples(), r.OtherCPU/r.Seconds)
		case r.Server == titleBare:
			p.printf("|  | %s | %s |  |  |  | %.2f |\n", r.Server, r.took(), r.OtherCPU/r.Seconds)
			if i+1 < len(results) && results[i+1].Title == r.Title {
				continue
			}
			if cells, n := medians(results, r.Title); n > 1 {
				p.printf("|  | median of %d |  |  |  | %s |  |\n", n, cells)
			}
		}
	}
	p.printf("\nBare is one loop that fetches, and writes what a fetch brought to each socket with one write, without rights, cursors or limits: the limit of what a server can do on this machine. Times in ms. Bold misses its target.\n\n")
}

// ofBareMeasures are the measures that are compared with those of bare, and
// publishOfBare those of clients that publish.
var (
	ofBareMeasures = [...]string{"cpu_us_per_delivery", "p50_ms", "p99_ms"}
	publishOfBare  = [...]string{"cpu_us_per_record", "ack_p50_ms", "ack_p99_ms"}
)

// ofBare returns the measures of a result that are compared with those of bare.
func (r result) ofBare() [len(ofBareMeasures)]string {
	if r.Publish > 0 {
		return publishOfBare
	}
	return ofBareMeasures
}

func (r ratios) list() [len(ofBareMeasures)]float64 {
	return [...]float64{r.CPU, r.P50, r.P99}
}

// bareTarget returns the target of a ratio, if all results with a target have the
// same.
func bareTarget(results []result, measure string) string {
	found := ""
	for _, r := range results {
		for _, t := range r.Targets {
			if t.Of != scenario.OfBare || t.Measure != measure {
				continue
			}
			text := fmt.Sprintf(" (≤ %g)", t.Times)
			if found != "" && found != text {
				return ""
			}
			found = text
		}
	}
	return found
}

// multiples returns three cells: the ratios to bare.
func (r result) multiples() string {
	cells := make([]string, len(ofBareMeasures))
	for i := range cells {
		if r.OfBare == nil || r.OfBare.list()[i] == 0 {
			continue
		}
		cells[i] = fmt.Sprintf("%.2f", r.OfBare.list()[i])
		if slices.ContainsFunc(r.Verdicts, func(v scenario.Verdict) bool {
			return v.Target.Of == scenario.OfBare && v.Target.Measure == r.ofBare()[i] && v.Known && !v.Met
		}) {
			cells[i] = "**" + cells[i] + "**"
		}
	}
	return strings.Join(cells, " | ")
}

// took returns three cells: CPU time per delivery, and latencies.
func (f phase) took() string {
	cells := make([]string, 3)
	if f.Meanwhile > 0 && f.ServerCPU > 0 {
		cells[0] = fmt.Sprintf("%.2f", f.ServerCPU*1e6/float64(f.Meanwhile))
	}
	if f.Latency.Count > 0 {
		cells[1], cells[2] = fmt.Sprintf("%.1f", f.Latency.P50), fmt.Sprintf("%.1f", f.Latency.P99)
	}
	return strings.Join(cells, " | ")
}

// medians returns three cells: the medians of the ratios over a scenario's rounds.
func medians(results []result, title string) (cells string, rounds int) {
	var of [len(ofBareMeasures)][]float64
	for _, r := range results {
		if r.Title != title || r.OfBare == nil {
			continue
		}
		rounds++
		for i, ratio := range r.OfBare.list() {
			of[i] = append(of[i], ratio)
		}
	}
	var texts []string
	for _, all := range of {
		if rounds == 0 {
			break
		}
		slices.Sort(all)
		text := ""
		if middle := (all[(rounds-1)/2] + all[rounds/2]) / 2; middle > 0 {
			text = fmt.Sprintf("%.2f", middle)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " | "), rounds
}
