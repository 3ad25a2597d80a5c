package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// The markers between which the table stands in a Markdown file.
const (
	begin = "<!-- clients: begin -->"
	end   = "<!-- clients: end -->"
)

// table returns the rows as Markdown. Ratios are to the first row.
func table(o options, rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events of 250 bytes, %d cores.\n\n", o.events, runtime.NumCPU())
	fmt.Fprintf(&b, "| client | gzip | first event | events/s in Chromium | in Node.js | page's processor time an event, at %d/s | heap after %d and %d events, in Chromium | in Node.js |\n", o.rate, o.step, o.events)
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range rows {
		size, node, heap, nodeHeap := "0", "–", "–", "–"
		if r.size > 0 {
			size = fmt.Sprintf("%d", r.size)
		}
		if !r.notForNode {
			node = ratio(r.node.PerSecond, rows[0].node.PerSecond, "%.0f")
		}
		if !r.slow {
			heap, nodeHeap = span(r.page.Heap), span(r.node.Heap)
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f ms | %s | %s | %s | %s | %s |\n", r.name, size, float64(r.first)/float64(time.Millisecond),
			ratio(r.page.PerSecond, rows[0].page.PerSecond, "%.0f"), node,
			ratio(float64(r.cpu)/float64(time.Microsecond), float64(rows[0].cpu)/float64(time.Microsecond), "%.1f µs"), heap, nodeHeap)
	}
	for _, r := range rows {
		if late := r.page.Late + r.node.Late; late > 0 {
			fmt.Fprintf(&b, "\n%s handed on %d events after later ones, %d of them in Node.js.\n", r.name, late, r.node.Late)
		}
	}
	return b.String()
}

func ratio(value, first float64, format string) string {
	return fmt.Sprintf(format+" (%.2f)", value, value/first)
}

// span is the memory after the first step and after the last.
func span(heap []float64) string {
	if len(heap) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f, %.2f MB", heap[0]/1e6, heap[len(heap)-1]/1e6)
}

// into puts the table between the markers of a file.
func into(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	head, rest, ok := bytes.Cut(text, []byte(begin))
	_, tail, found := bytes.Cut(rest, []byte(end))
	if !ok || !found {
		return fmt.Errorf("%s lacks the markers %s and %s", file, begin, end)
	}
	whole := bytes.Join([][]byte{head, []byte(begin + "\n" + table + end), tail}, nil)
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
