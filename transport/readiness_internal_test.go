package transport

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a readiness that runs in a bubble, and what it has logged.
type watched struct {
	*readiness

	mu    sync.Mutex
	lines bytes.Buffer
	cause map[string]error
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines.Write(b)
}

func (w *watched) is(check string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause[check]
}

func (w *watched) set(check string, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cause[check] = cause
}

func newWatched(t *testing.T, every time.Duration) *watched {
	t.Helper()
	return newWatchedFrom(t, every, make(map[string]error))
}

// newWatchedFrom begins with checks that fail.
func newWatchedFrom(t *testing.T, every time.Duration, cause map[string]error) *watched {
	t.Helper()
	w := &watched{cause: cause}
	check := func(name string) func(context.Context) error {
		return func(context.Context) error { return w.is(name) }
	}
	w.readiness = newReadiness(&Config{
		Logger: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
		Now:   time.Now,
		Ready: map[string]func(context.Context) error{"kafka": check("kafka")},
		Degraded: func() map[string]func(context.Context) error {
			return map[string]func(context.Context) error{"redis": check("redis")}
		},
		DegradedStreams: func() map[string]error {
			if err := w.is("orders"); err != nil {
				return map[string]error{"orders": err}
			}
			return nil
		},
	}, func() bool { return false })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.watch(ctx, every) }()
	t.Cleanup(func() { cancel(); <-ended })
	return w
}

// after lets time pass and returns what was logged meanwhile.
func (w *watched) after(d time.Duration) string {
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.lines.String()
	w.lines.Reset()
	return text
}

// TestEachChangeOfACheckIsLogged: changes are logged without requests to /readyz.
func TestEachChangeOfACheckIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, 5*time.Second)
		for _, step := range []struct {
			check string
			cause error
			pass  time.Duration
			want  string
		}{
			{"", nil, time.Second, "level=INFO msg=\"ready: all checks pass\" checks=3\n"},
			{"", nil, time.Hour, ""},
			{
				"kafka", errors.New("no broker answers"), 5 * time.Second,
				"level=WARN msg=\"not ready: a required check fails\" check=kafka cause=\"no broker answers\" instance_ready=false\n",
			},
			{"", nil, time.Hour, ""},
			{
				"kafka", nil, 5 * time.Second,
				"level=INFO msg=\"a required check passes again\" check=kafka after=1h0m5s instance_ready=true\n",
			},
			{
				"redis", errors.New("OOM"), 5 * time.Second,
				"level=WARN msg=\"degraded: an optional check fails\" check=redis cause=OOM instance_ready=true\n",
			},
			{
				"orders", errors.New("no topic"), 5 * time.Second,
				"level=WARN msg=\"degraded: an optional check fails\" check=\"stream orders\" cause=\"no topic\" instance_ready=true\n",
			},
			{
				"orders", nil, 5 * time.Second,
				"level=INFO msg=\"an optional check passes again\" check=\"stream orders\" after=5s instance_ready=true\n",
			},
			// Another cause is logged, but not each time.
			{
				"redis", errors.New("READONLY"), 2 * time.Minute,
				"level=WARN msg=\"degraded: an optional check fails\" check=redis cause=READONLY for=1m0s instance_ready=true\n",
			},
			{
				"redis", nil, 5 * time.Second,
				"level=INFO msg=\"an optional check passes again\" check=redis after=2m15s instance_ready=true\n",
			},
		} {
			w.set(step.check, step.cause)
			if got := w.after(step.pass); got != step.want {
				t.Errorf("%s is %v:\n%swant\n%s", step.check, step.cause, got, step.want)
			}
		}
	})
}

// TestChecksRunMoreOftenUntilTheyHavePassed: an instance is ready soon after what it waits for at its start,
// and is asked at its interval after that.
func TestChecksRunMoreOftenUntilTheyHavePassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatchedFrom(t, time.Minute, map[string]error{"kafka": errors.New("no topic")})
		if got := w.after(3500 * time.Millisecond); !strings.Contains(got, "not ready") {
			t.Errorf("at the start: %s", got)
		}
		w.set("kafka", nil)
		if got := w.after(startEvery); !strings.Contains(got, "a required check passes again") {
			t.Errorf("after what it waits for: %q", got)
		}
		w.set("kafka", errors.New("no broker answers"))
		if got := w.after(59 * time.Second); got != "" {
			t.Errorf("before its interval: %s", got)
		}
		if got := w.after(2 * time.Second); !strings.Contains(got, "not ready") {
			t.Errorf("after its interval: %s", got)
		}
	})
}

// TestACheckThatFlapsIsLoggedWithinABound: the lines of a check that flaps are
// bounded, and its final state is always logged.
func TestACheckThatFlapsIsLoggedWithinABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, time.Second)
		w.after(500 * time.Millisecond)
		changes, lines, told := 0, 0, 0
		count := func(text string) {
			lines += strings.Count(text, "check=kafka")
			for line := range strings.Lines(text) {
				if _, unsaid, ok := strings.Cut(line, "changes_not_logged="); ok {
					n, err := strconv.Atoi(strings.Fields(unsaid)[0])
					if err != nil {
						t.Fatal(err)
					}
					told += n
				}
			}
		}
		const minutes = 10
		for n := range minutes * 60 {
			var cause error
			if n%2 == 0 {
				cause = errors.New("no broker answers " + strconv.Itoa(n))
			}
			w.set("kafka", cause)
			changes++
			count(w.after(time.Second))
		}
		if most := changesAtOnce + minutes*int(time.Minute/changeEvery) + 1; lines > most || lines < minutes {
			t.Errorf("%d changes are %d lines, want at most %d", changes, lines, most)
		}
		w.set("kafka", errors.New("for good"))
		changes++
		last := w.after(2 * time.Minute)
		count(last)
		if !strings.Contains(last, "cause=\"for good\"") {
			t.Errorf("how it ends is not logged: %q", last)
		}
		if lines+told != changes {
			t.Errorf("%d lines and %d changes that are said to have none, of %d changes", lines, told, changes)
		}
	})
}

// TestAHangingCheckHoldsUpNoOther: checks run concurrently, within a time limit.
func TestAHangingCheckHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		r := newReadiness(&Config{
			Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			Ready: map[string]func(context.Context) error{
				"one": hang, "two": hang, "three": func(ctx context.Context) error { return ctx.Err() },
			},
		}, func() bool { return false })
		began := time.Now()
		got := r.run(t.Context())
		if took := time.Since(began); took != readyWithin {
			t.Errorf("it took %v, want %v", took, readyWithin)
		}
		if got.Ready || got.Checks["three"] != "ok" || got.Checks["one"] == "ok" {
			t.Errorf("got %+v", got)
		}
	})
}
