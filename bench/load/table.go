package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// writeTable prints results as a Markdown table, with faults below.
func writeTable(w io.Writer, results []result) error {
	p := printer{w: w}
	p.printf("| scenario | connections | records/s | deliveries/s | missing | server cores | server µs/delivery | client µs/delivery | RSS/connection | p50 | p99 | p99.9 | floor p50 | floor p99 | floor p99.9 |\n")
	p.printf("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		p.printf("| %s | %d |", r.Name, r.Open)
		if r.Rate == 0 {
			p.printf(" | | | | | | %.1f KiB | | | | | | |\n", r.BytesPerConn/1024)
			continue
		}
		p.printf(" %d | %.0f | %d | %.2f | %.2f | %.2f | %.1f KiB |", r.Rate, r.DeliveriesPerSec, r.Missing,
			r.ServerCores, r.MicrosPerDelivery, r.ClientMicros, r.BytesPerConn/1024)
		p.printf(" %.1f ms | %.1f ms | %.1f ms | %.1f ms | %.1f ms | %.1f ms |\n",
			r.Latency.P50, r.Latency.P99, r.Latency.P999, r.Floor.P50, r.Floor.P99, r.Floor.P999)
	}
	for _, r := range results {
		for _, fault := range slices.Sorted(maps.Keys(r.Faults)) {
			p.printf("\n- %s: %d × %s", r.Name, r.Faults[fault], fault)
		}
	}
	p.printf("\n")
	return p.err
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

func writeJSON(w io.Writer, results []result) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(results)
}
