// Package bounds holds parsers to what an input may cost, in tests. It depends on nothing
// of this repository.
package bounds

import (
	"bytes"
	"runtime/metrics"
	"testing"
	"time"
)

// Foreign is a text that other requests have. It must not be in what a parser makes of an input
// that does not have it.
const Foreign = "of_another_request_"

// Limits are what a parser may cost.
type Limits struct {
	// Bytes is how much may be allocated for any input, and PerByte how much more for each byte
	// of the input.
	Bytes, PerByte int
	// Time is how long the parser may take, as Took measures it.
	Time time.Duration
}

// attempts is how often a parser is called that seems to cost too much: a busy machine is not
// its fault.
const attempts = 3

// Check calls a parser with an input of some bytes, and fails the test if that costs more. Nothing
// else may run in the process at the same time.
func (l Limits) Check(t testing.TB, input int, parse func()) {
	t.Helper()
	most := uint64(l.Bytes) + uint64(l.PerByte)*uint64(input)
	var got uint64
	var took time.Duration
	for range attempts {
		before := allocated()
		took = Took(parse)
		got = allocated() - before
		if got <= most && took <= l.Time {
			return
		}
	}
	t.Errorf("%d bytes were allocated for an input of %d, in %v; want %d at most, in %v", got, input, took, most, l.Time)
}

// Own fails the test if an output has something of another request.
func Own(t testing.TB, output []byte, input ...[]byte) {
	t.Helper()
	if !bytes.Contains(output, []byte(Foreign)) {
		return
	}
	for _, in := range input {
		if bytes.Contains(in, []byte(Foreign)) {
			return
		}
	}
	t.Errorf("the output has something of another request: %q", output)
}

// allocated returns how much was allocated since the process has begun. Small objects are counted
// some kilobytes late.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
