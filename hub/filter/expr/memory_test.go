package expr_test

import (
	"runtime"
	"strings"
	"testing"

	"sluice/hub/filter"
	"sluice/hub/filter/expr"
)

// TestMemory: what a filter is accounted for is about what it takes, whatever it is.
func TestMemory(t *testing.T) {
	// What pools and the like add to what is measured.
	const noise = 12 << 10
	l := newLanguage()
	texts := hostile(4<<10 - 1)
	for name, text := range texts {
		text = text[:min(len(text), 4<<10-1)]
		if _, bytes, err := l.CompileAlone(text); err != nil || bytes < noise {
			continue
		}
		took, bytes := 0, 0
		for range 3 { // something else may have been given back meanwhile
			took, bytes = taken(l, text)
			if bytes+noise >= took*8/10 && took+noise >= bytes/8 {
				break
			}
		}
		t.Logf("%-28s %7d bytes, accounted %7d", name, took, bytes)
		if bytes+noise < took*8/10 || took+noise < bytes/8 {
			t.Errorf("%s takes %d bytes, and is accounted for %d", name, took, bytes)
		}
	}
}

// taken returns how many bytes a filter takes, on average of some with texts of their own, as
// of different clients, and for how many it is accounted.
func taken(l *expr.Language, text string) (took, bytes int) {
	const n = 8
	kept := make([]filter.Filter, n)
	before := heap()
	for i := range kept {
		own := strings.Clone(text)
		if i%2 == 1 {
			own += " "
		}
		kept[i], bytes, _ = l.CompileAlone(own)
	}
	took = int(heap()-before) / n
	runtime.KeepAlive(kept)
	return took, bytes
}
