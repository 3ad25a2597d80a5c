package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sluice/bench/load/scenario"
)

// targets prints the targets beside the measured values.
func (p *printer) targets(results []result) {
	p.printf("| scenario | target | bound | measured | | other load |\n|---|---|--:|--:|---|--:|\n")
	for _, r := range results {
		title, load := r.Title, ""
		if r.Seconds > 0 {
			load = fmt.Sprintf("%.2f", r.OtherCPU/r.Seconds)
		}
		for _, v := range r.Verdicts {
			p.printf("| %s | %s | %s | %s | %s | %s |\n", title, targetText(v.Target), quantity(v.Target.Measure, v.Bound, v.Known),
				quantity(v.Target.Measure, v.Measured, v.Known), verdictText(v), load)
			title, load = "", ""
		}
	}
}

// measureNames are the names of measures in tables.
var measureNames = map[string]string{
	"cpu_us_per_delivery":          "processor time a delivery",
	"cpu_us_per_record":            "processor time a record",
	"cpu_us_per_record_and_filter": "processor time a record and filter",
	"deliveries_per_cpu_second":    "deliveries a processor second",
	"records_per_cpu_second":       "records a processor second",
	"deliveries_per_second":        "deliveries a second",
	"p50_ms":                       "p50", "p99_ms": "p99", "p999_ms": "p99.9",
	"ack_p50_ms": "answer p50", "ack_p99_ms": "answer p99",
	"rss_bytes_per_client": "memory a client",
	"server_cores":         "processor time a second",
	"back_seconds":         "all back after",
	"reads_per_block":      "reads of Kafka a block",
	"requests_per_second":  "requests to Kafka a second",
}

func measureName(measure string) string {
	if name, ok := measureNames[measure]; ok {
		return name
	}
	return measure
}

func targetText(t scenario.Target) string {
	op := "≤"
	if t.Least {
		op = "≥"
	}
	bound := quantity(t.Measure, t.Plus, true)
	switch {
	case t.Of == "":
	case t.Times != 1:
		bound = fmt.Sprintf("%s × %g", t.Of, t.Times)
	case t.Plus != 0:
		bound = t.Of + " + " + bound
	default:
		bound = t.Of
	}
	return measureName(t.Measure) + " " + op + " " + bound
}

// verdictText describes whether a target was met, or by how much it was missed.
func verdictText(v scenario.Verdict) string {
	switch {
	case !v.Known:
		return "not measured"
	case v.Met:
		return "met"
	case v.Bound == 0:
		return "missed by " + quantity(v.Target.Measure, v.Measured, true)
	}
	return fmt.Sprintf("missed by %.0f %%", 100*v.Missed())
}

// quantity formats a measure with its unit.
func quantity(measure string, n float64, known bool) string {
	if !known {
		return ""
	}
	switch measure {
	case "cpu_us_per_delivery", "cpu_us_per_record":
		return fmt.Sprintf("%.2f µs", n)
	case "cpu_us_per_record_and_filter":
		return fmt.Sprintf("%.3f µs", n)
	case "p50_ms", "p99_ms", "p999_ms", "ack_p50_ms", "ack_p99_ms":
		return fmt.Sprintf("%.1f ms", n)
	case "rss_bytes_per_client":
		return fmt.Sprintf("%.1f KiB", n/1024)
	case "server_cores":
		return fmt.Sprintf("%.2f s", n)
	case "back_seconds":
		return fmt.Sprintf("%.2f s", n)
	}
	return scenario.Count(int(n))
}

// figures prints all measurements.
func (p *printer) figures(results []result) {
	p.printf("| scenario | clients | records/s | deliveries/s | missing | repeated | server cores | server µs/delivery | deliveries/CPU s | client µs/delivery | requests to Kafka/s | memory | p50 | p99 | p99.9 | floor p50 | floor p99 | other load |\n")
	p.printf("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		if r.Before != nil {
			p.figure(r, r.Title+": before", *r.Before)
		}
		title := r.Title
		if r.Server == titleBare {
			title += ": bare"
		}
		p.figure(r, title, r.phase)
		if r.After != nil {
			p.figure(r, r.Title+": after", *r.After)
		}
	}
}

func (p *printer) figure(r result, title string, f phase) {
	p.printf("| %s | %s |", title, scenario.Count(r.Open))
	memory := r.memory()
	if f.Seconds == 0 {
		p.printf(" | | | | | | | | | %s | | | | | | |\n", memory)
		return
	}
	perDelivery := func(seconds float64) string {
		if f.Meanwhile == 0 || seconds == 0 {
			return ""
		}
		return fmt.Sprintf("%.2f", seconds*1e6/float64(f.Meanwhile))
	}
	perSecond := ""
	if f.ServerCPU > 0 {
		perSecond = scenario.Count(int(float64(f.Meanwhile) / f.ServerCPU))
	}
	p.printf(" %s | %s | %s | %s | %.2f | %s | %s | %s | %.0f | %s |", scenario.Count(int(float64(f.Produced)/f.Seconds)),
		scenario.Count(int(float64(f.Deliveries)/f.Seconds)), scenario.Count(int(f.Missing)), scenario.Count(int(f.Duplicated+f.Foreign)),
		f.ServerCPU/f.Seconds, perDelivery(f.ServerCPU), perSecond, perDelivery(f.ClientCPU), float64(f.Requests)/f.Seconds, memory)
	p.printf(" %s | %.2f |\n", f.latencies(), f.OtherCPU/f.Seconds)
}

// memory returns the server's memory, per client if that was measured.
func (r result) memory() string {
	if r.BytesPerClient != 0 {
		return fmt.Sprintf("%.1f KiB a client", r.BytesPerClient/1024)
	}
	return fmt.Sprintf("%.1f MiB", float64(r.ServerRSS)/(1<<20))
}

// peers prints a comparison of servers.
func (p *printer) peers(results []result) {
	last := ""
	for _, r := range results {
		if r.Title != last {
			last = r.Title
			p.printf("\n%s:\n\n", r.Title)
			p.printf("| server | deliveries/s | missing | server cores | server µs/delivery | bridge cores | memory a client | p50 | p99 | p99.9 | floor p50 | floor p99 | CPU ÷ bare | p50 ÷ bare | p99 ÷ bare | other load |\n")
			p.printf("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		}
		if r.Unmeasured != "" {
			p.printf("| %s | not measured | | | | | | | | | | | | | | |\n", r.Server)
			continue
		}
		f := r.phase
		perDelivery := ""
		if f.Meanwhile > 0 {
			perDelivery = fmt.Sprintf("%.2f", f.ServerCPU*1e6/float64(f.Meanwhile))
		}
		p.printf("| %s | %s | %s | %.2f | %s | %.2f | %.1f KiB | %s | %s | %.2f |\n", r.Server,
			scenario.Count(int(float64(f.Deliveries)/f.Seconds)), scenario.Count(int(f.Missing)), f.ServerCPU/f.Seconds, perDelivery,
			f.BesideCPU/f.Seconds, r.BytesPerClient/1024, f.latencies(), r.multiples(), f.OtherCPU/f.Seconds)
	}
	p.printf("\nTimes in ms; other load is what the machine spent meanwhile on other work, in cores: rows with different ones do not compare. Missing is what had not come a minute after the last record was made. The bridge, which brings records from Kafka to the peers, is accounted for on its own; Sluice and bare need none. Bare is one loop that fetches, and writes what a fetch brought to each socket with one write, without rights, cursors or limits: the limit of what a server can do on this machine.\n")
	for _, r := range results {
		if r.Unmeasured != "" {
			p.printf("\n- %s, %s: not measured: %s", r.Server, r.Title, oneLine(r.Unmeasured))
		}
	}
	p.printf("\n")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// latencies returns five cells, empty if nothing was measured.
func (f phase) latencies() string {
	cells := make([]string, 5)
	if f.Latency.Count > 0 {
		for i, ms := range []float64{f.Latency.P50, f.Latency.P99, f.Latency.P999} {
			cells[i] = fmt.Sprintf("%.1f", ms)
		}
	}
	if f.Floor.Count > 0 {
		cells[3], cells[4] = fmt.Sprintf("%.1f", f.Floor.P50), fmt.Sprintf("%.1f", f.Floor.P99)
	}
	return strings.Join(cells, " | ")
}

// faults lists the errors of clients.
func (p *printer) faults(results []result) {
	for _, r := range results {
		for _, fault := range slices.Sorted(maps.Keys(r.Faults)) {
			p.printf("\n- %s, %s: %s × %s", r.Server, r.Title, scenario.Count(r.Faults[fault]), oneLine(fault))
		}
	}
	p.printf("\n")
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
