package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal records what parts do, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// steady is a part that runs until it is stopped, and then takes some time to end.
func (j *journal) steady(name string, ending time.Duration) part {
	return part{
		name:  name,
		start: func(context.Context) error { j.add("start " + name); return nil },
		run: func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(ending)
			j.add("end " + name)
			return ctx.Err()
		},
	}
}

func newLifecycle(parts ...part) *lifecycle {
	return &lifecycle{logger: slog.New(slog.DiscardHandler), grace: 10 * time.Second, parts: parts}
}

func TestPartsStopInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		l := newLifecycle(j.steady("a", 0), j.steady("b", time.Second), j.steady("c", 2*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		begin := time.Now()
		if err := l.run(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != time.Minute+3*time.Second {
			t.Errorf("it took %v: each part ends before the one that it relies on", took)
		}
		if want := []string{"start a", "start b", "start c", "end c", "end b", "end a"}; !slices.Equal(j.read(), want) {
			t.Errorf("got %v, want %v", j.read(), want)
		}
	})
}

func TestFailureOfOnePartStopsAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		result error
		want   error
	}{"with an error": {broken, broken}, "without one": {nil, errEnded}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := &journal{}
				failing := part{name: "b", run: func(context.Context) error { time.Sleep(time.Minute); return c.result }}
				err := newLifecycle(j.steady("a", 0), failing, j.steady("c", 0)).run(t.Context())
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "run b") {
					t.Errorf("got %v, want %v of b", err, c.want)
				}
				if want := []string{"start a", "start c", "end c", "end a"}; !slices.Equal(j.read(), want) {
					t.Errorf("got %v, want %v", j.read(), want)
				}
			})
		})
	}
}

func TestPartThatCannotStartStopsThoseBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		taken := errors.New("address in use")
		failing := part{name: "b", start: func(context.Context) error { return taken }, run: func(context.Context) error { j.add("run b"); return nil }}
		err := newLifecycle(j.steady("a", 0), failing, j.steady("c", 0)).run(t.Context())
		if !errors.Is(err, taken) {
			t.Errorf("got %v, want %v", err, taken)
		}
		if want := []string{"start a", "end a"}; !slices.Equal(j.read(), want) {
			t.Errorf("got %v, want %v", j.read(), want)
		}
	})
}

// Stopping a server while it starts must not be an error.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		slow := part{name: "b", start: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := newLifecycle(j.steady("a", 0), slow).run(ctx); err != nil {
			t.Error(err)
		}
		if want := []string{"start a", "end a"}; !slices.Equal(j.read(), want) {
			t.Errorf("got %v, want %v", j.read(), want)
		}
	})
}

func TestPartThatHangsIsLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		err := newLifecycle(j.steady("a", 0), j.steady("b", time.Hour), j.steady("c", 3*time.Second)).run(ctx)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("stopping took %v, want the grace of 10s", took)
		}
		if !errors.Is(err, errLate) || !strings.Contains(err.Error(), "stop b") {
			t.Errorf("got %v, want b to be late", err)
		}
		time.Sleep(time.Hour) // let b end, or the test would not
		if !slices.Contains(j.read(), "end a") {
			t.Error("a was not told to stop when the time was up")
		}
	})
}

func TestFaultWhileStoppingIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := newLifecycle(part{name: "a", run: func(ctx context.Context) error { <-ctx.Done(); return full }}).run(ctx)
		if !errors.Is(err, full) {
			t.Errorf("got %v, want %v", err, full)
		}
	})
}
