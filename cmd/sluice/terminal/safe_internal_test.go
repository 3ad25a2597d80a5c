package terminal

import (
	"fmt"
	"strings"
	"testing"
)

// TestSafely: what a server says is shown, and does nothing.
func TestSafely(t *testing.T) {
	t.Parallel()
	var shown strings.Builder
	if n, err := fmt.Fprint(safe{&shown}, "sluice: \x1b]0;x\a\n"); n != 15 || err != nil {
		t.Errorf("wrote %d bytes: %v", n, err)
	}
	if want := `sluice: \u001b]0;x\u0007` + "\n"; shown.String() != want {
		t.Errorf("got %q, want %q", shown.String(), want)
	}
	if Safely(&shown) != &shown {
		t.Error("what is no terminal is changed")
	}
}
