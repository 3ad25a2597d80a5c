package bounds_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
)

// failing notes whether a test has failed.
type failing struct {
	testing.TB
	failed bool
}

func (*failing) Helper() {}

func (f *failing) Errorf(string, ...any) { f.failed = true }

var kept []byte

//nolint:paralleltest // what is allocated is counted for the whole process
func TestCheck(t *testing.T) {
	limits := bounds.Limits{Bytes: 1 << 20, PerByte: 10, Time: time.Minute}
	for name, c := range map[string]struct {
		input int
		limit bounds.Limits
		parse func()
		want  bool
	}{
		"little":        {1, limits, func() { kept = make([]byte, 100) }, false},
		"much":          {1, limits, func() { kept = make([]byte, 2<<20) }, true},
		"much for much": {1 << 20, limits, func() { kept = make([]byte, 2<<20) }, false},
		"long":          {1, bounds.Limits{Bytes: 1 << 20, Time: 1}, func() { _ = sha256.Sum256(make([]byte, 1<<19)) }, true},
	} {
		f := &failing{TB: t}
		c.limit.Check(f, c.input, c.parse)
		if f.failed != c.want {
			t.Errorf("%s: failed is %v", name, f.failed)
		}
	}
}

func TestOwn(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]bool{"own": false, "x" + bounds.Foreign: true} {
		f := &failing{TB: t}
		bounds.Own(f, []byte(output), []byte("input"))
		if f.failed != want {
			t.Errorf("%q: failed is %v", output, f.failed)
		}
		f.failed = false
		if bounds.Own(f, []byte(output), nil, []byte(output)); f.failed {
			t.Errorf("%q: it is its own", output)
		}
	}
}
