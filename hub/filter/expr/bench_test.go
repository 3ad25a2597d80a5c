package expr_test

import (
	"fmt"
	"runtime"
	"testing"

	"sluice/hub/filter"
	"sluice/hub/filter/expr"
)

const benched = `{"user":"u17","total":120.5,"region":"eu","status":"open","items":[{"price":5},{"price":50},{"price":7}],"note":"something that makes the value as long as usual, which is some two hundred bytes"}`

// BenchmarkPasses is the cost of a filter and record, once the record has been parsed
// for another filter.
func BenchmarkPasses(b *testing.B) {
	l := newLanguage()
	for _, text := range []string{
		`data.total > 100`,
		`data.total > 100 && data.region != "us" && key.startsWith("eu-")`,
		`data.items.exists(i, i.price > 10)`,
		`data.note.contains("usual")`,
	} {
		f := must(l.Compile(text))
		r := row("eu-991", benched)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if passes, err := f.Passes(r); !passes || err != nil {
					b.Fatal(passes, err)
				}
			}
		})
	}
}

// BenchmarkParse is what the first filter on a record costs more.
func BenchmarkParse(b *testing.B) {
	f := must(newLanguage().Compile(`data.total > 100`))
	b.ReportAllocs()
	for b.Loop() {
		r := row("eu-991", benched)
		_, _ = f.Passes(r)
	}
}

func BenchmarkCompile(b *testing.B) {
	l := newLanguage()
	for n := 0; b.Loop(); n++ {
		must(l.Compile(fmt.Sprintf(`data.total > %d && data.region != "us"`, n)))
	}
}

func BenchmarkRuleForClaims(b *testing.B) {
	l := newLanguage()
	rule := must(l.Rule(`claims.role == "admin" || key == claims.sub`))
	for n := 0; b.Loop(); n++ {
		must(expr.For(fmt.Appendf(nil, `{"sub":"u%d","role":"user","exp":%d}`, n, n), rule))
	}
}

// BenchmarkMemory reports what a filter that no index serves takes.
func BenchmarkMemory(b *testing.B) {
	l := must(expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 1}))
	for b.Loop() {
		const n = 1000
		kept := make([]filter.Filter, n)
		before := heap()
		for i := range kept {
			kept[i] = must(l.Compile(fmt.Sprintf(`data.total > %d && data.region != "us"`, i)))
		}
		b.ReportMetric(float64(heap()-before)/n, "B/filter")
		runtime.KeepAlive(kept)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what a sync.Pool holds goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
