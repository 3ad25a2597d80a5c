package main

import (
	"fmt"
	"io"
	"slices"

	"sluice/bench/load/scenario"
)

// headlines are the scenarios shown on the front page.
var headlines = []string{"idle-ws", "single", "broadcast-100", "broadcast-2000", "keyed"}

// writeHeadline prints their main figures, as in the full table.
func (r report) writeHeadline(w io.Writer) error {
	p := printer{w: w}
	p.printf("| scenario | deliveries/s | missing | server cores | p50 | p99 | floor p99 | memory |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, name := range headlines {
		i := slices.IndexFunc(r.Results, func(r result) bool { return r.Name == name })
		if i < 0 {
			continue
		}
		p.headline(r.Results[i])
	}
	p.printf("\n%s.\n", r.Machine)
	return p.err
}

func (p *printer) headline(r result) {
	if r.Seconds == 0 {
		p.printf("| %s | | | | | | | %s |\n", r.Title, r.memory())
		return
	}
	ms := func(ms float64) string { return fmt.Sprintf("%.1f ms", ms) }
	p.printf("| %s | %s | %s | %.2f | %s | %s | %s | %s |\n", r.Title,
		scenario.Count(int(float64(r.Deliveries)/r.Seconds)), scenario.Count(int(r.Missing)), r.ServerCPU/r.Seconds,
		ms(r.Latency.P50), ms(r.Latency.P99), ms(r.Floor.P99), r.memory())
}
