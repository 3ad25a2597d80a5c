package transport

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sluice/transport/wire"
)

// TestFaultsAreLoggedByTheirReason: a fault is not counted under the cause of another, and
// however many reasons clients find, the log and the memory are bounded.
func TestFaultsAreLoggedByTheirReason(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	l := newFaultLog(slog.New(slog.NewTextHandler(&out, nil)), slog.LevelInfo, func() time.Time { return now })
	note := func(cause string) {
		l.note(&wire.Error{Code: wire.Unauthenticated, Message: "no", Cause: errors.New(cause)}, "192.0.2.1")
	}
	lines := func() (all []string) {
		for line := range strings.Lines(out.String()) {
			_, what, _ := strings.Cut(strings.TrimSpace(line), "cause=")
			all = append(all, what)
		}
		out.Reset()
		return all
	}
	same := func(want ...string) {
		t.Helper()
		if got := lines(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for range 8 {
		note("key")
		note("expired")
	}
	same("key", "expired")
	now = now.Add(time.Second)
	note("expired")
	note("key")
	same("expired more_since=7", "key more_since=7")
	for i := range 1000 {
		note(fmt.Sprint(i))
	}
	same("0", "1", "2", "3", "4", "5", "6")
	if n := len(l.last[wire.Unauthenticated].reasons); n > reasonsMost {
		t.Errorf("%d reasons are kept", n)
	}
	now = now.Add(time.Second)
	note("key")
	note("new") // those that are over make room
	same("key", "new")
	for i := range 1000 {
		note(fmt.Sprint(i))
	}
	now = now.Add(time.Second - time.Millisecond)
	for i := range 10 {
		note(fmt.Sprint("late", i))
	}
	total := len(lines())
	if total > 2*reasonsMost {
		t.Errorf("%d lines in a second", total)
	}
}
