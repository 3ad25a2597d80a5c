package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"sluice/bench/stack"
)

// growth is how much memory a client may have more after all events than after the first.
const growth = 1 << 20

// TestMemoryIsFlat: what the client keeps does not grow with the events that it has handed on.
func TestMemoryIsFlat(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	stack.Check(t, stack.Install(ctx, "chromium"))
	s, err := newSource(ctx)
	stack.Check(t, err)
	t.Cleanup(s.Close)
	p, err := open(ctx, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, whole := range map[string]func() (taken, error){
		"a WebSocket in Node.js":     func() (taken, error) { return inNode(ctx, s, 0) },
		"an event stream in Node.js": func() (taken, error) { return inNode(ctx, s, 2) },
		// For an event stream, Chromium's own buffers grow until some 100,000 events have come.
		"a WebSocket in Chromium": func() (taken, error) { return p.whole(s, 0) },
	} {
		s.begin(50000, 10000, 0)
		took, err := whole()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		first, last := took.Heap[0], took.Heap[len(took.Heap)-1]
		if last > first+growth || took.Late > 0 {
			t.Errorf("%s: %d events came late, and the memory after each 10,000 is %.0f", name, took.Late, took.Heap)
		}
		t.Logf("%s: %.0f", name, took.Heap)
	}
}

// TestTableHasRatios: the first row is what the others are compared with, and what was not
// measured is a dash.
func TestTableHasRatios(t *testing.T) {
	t.Parallel()
	got := table(options{events: 200, step: 100, rate: 2000}, []row{
		{name: "a", size: 6000, first: time.Millisecond, cpu: 10 * time.Microsecond, page: taken{PerSecond: 1000, Heap: []float64{1e6, 2e6}}, node: taken{PerSecond: 2000, Heap: []float64{3e6, 3e6}}},
		{name: "b", first: 2 * time.Millisecond, cpu: 5 * time.Microsecond, page: taken{PerSecond: 500, Heap: []float64{1e6, 1e6}, Late: 7}, notForNode: true},
		{name: "c", slow: true, page: taken{PerSecond: 500, Heap: []float64{1e6, 1e6}}, node: taken{PerSecond: 1000}},
	})
	for _, line := range []string{
		"\n| a | 6000 | 1.0 ms | 1000 (1.00) | 2000 (1.00) | 10.0 µs (1.00) | 1.00, 2.00 MB | 3.00, 3.00 MB |\n",
		"\n| b | 0 | 2.0 ms | 500 (0.50) | – | 5.0 µs (0.50) | 1.00, 1.00 MB | – |\n",
		"\n| c | 0 | 0.0 ms | 500 (0.50) | 1000 (0.50) | 0.0 µs (0.00) | – | – |\n",
		"\nb handed on 7 events after later ones, 0 of them in Node.js.\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("the table lacks %q:\n%s", line, got)
		}
	}
}
