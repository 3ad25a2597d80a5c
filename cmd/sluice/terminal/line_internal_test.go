package terminal

import (
	"io"
	"strings"
	"testing"
	"time"
)

// TestLine: texts stand above the line of progress, which is erased before each, is no longer
// than the terminal is wide, and does not flicker.
func TestLine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Unix(0, 0)
	l := &Line{out: &out, width: func() int { return 6 }, now: func() time.Time { return now }}
	l.Show(func() string { return "10 äöü" })
	l.Show(func() string { return "too soon" })
	now = now.Add(lineEvery)
	l.Show(func() string { return "20 %" })
	_, _ = io.WriteString(l.Above(&out), "text\n")
	_, _ = io.WriteString(l.Above(&out), "more\n")
	l.Show(func() string { return "30 %" })
	l.Clear()
	l.Clear()
	want := erase + "10 äö" + erase + "20 %" + erase + "text\nmore\n" + erase + "30 %" + erase
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
