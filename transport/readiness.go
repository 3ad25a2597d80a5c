package transport

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// readyWithin bounds one run of the checks.
const readyWithin = 2 * time.Second

const (
	// A check that fails and recovers repeatedly has changesAtOnce lines in the log,
	// and then one every changeEvery.
	changesAtOnce = 4
	changeEvery   = 30 * time.Second
	// causeEvery is how often a new cause of a continuing failure is logged.
	causeEvery = time.Minute
)

// startEvery is how often the checks run at most until they have passed once.
const startEvery = time.Second

// errDraining is why an instance that shuts down is not ready.
var errDraining = errors.New("the instance is shutting down")

// drainCheck is the name of the check that fails once the instance drains.
const drainCheck = "drain"

// readiness runs the checks, for /readyz and at an interval, and logs every change
// of each check.
type readiness struct {
	// Immutable.
	logger   *slog.Logger
	now      func() time.Time
	draining func() bool
	required map[string]func(context.Context) error
	optional func() map[string]func(context.Context) error // nil for none
	streams  func() map[string]error                       // nil for none

	mu      sync.Mutex
	newest  time.Time // start of the run that was recorded last
	started bool      // a run was recorded
	checks  map[string]*checkState
}

// checkState is the state of a check, and what the log says of it. Guarded by the
// readiness's mu.
type checkState struct {
	cause    string // empty while the check passes
	since    time.Time
	optional bool // the instance does without what the check covers

	said    string // the cause in its last line, empty if it passed
	saidAt  time.Time
	lines   int // lines that may still be logged at once
	refill  time.Time
	changes int // changes that were not logged
}

// report is the body of the answer to /readyz.
type report struct {
	Checks   map[string]string `json:"checks"`
	Degraded []string          `json:"degraded,omitempty"`
	Ready    bool              `json:"ready"`
}

func newReadiness(c *Config, draining func() bool) *readiness {
	return &readiness{
		logger:   c.Logger,
		now:      c.Now,
		draining: draining,
		required: c.Ready,
		optional: c.Degraded,
		streams:  c.DegradedStreams,
		checks:   make(map[string]*checkState),
	}
}

// watch runs the checks at an interval until the context ends, and more often until they have passed
// once: what an instance that starts waits for can come at any moment.
func (r *readiness) watch(ctx context.Context, every time.Duration) {
	timer := time.NewTimer(every)
	defer timer.Stop()
	for wait := min(every, startEvery); ; {
		if r.run(ctx).Ready {
			wait = every
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// run runs all checks concurrently and logs what has changed. A run that the context
// ends early logs nothing.
func (r *readiness) run(ctx context.Context) report {
	began := r.now()
	bounded, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var (
		mu       sync.Mutex
		running  sync.WaitGroup
		failed   = make(map[string]error)
		optional = make(map[string]bool)
		made     = report{Checks: map[string]string{drainCheck: "ok"}, Ready: true}
	)
	var without map[string]func(context.Context) error
	if r.optional != nil {
		without = r.optional()
	}
	for _, checks := range []map[string]func(context.Context) error{r.required, without} {
		for name, check := range checks {
			running.Go(func() {
				err := check(bounded)
				mu.Lock()
				defer mu.Unlock()
				made.Checks[name] = "ok"
				if err != nil {
					failed[name] = err
				}
			})
		}
	}
	running.Wait()
	for name := range without {
		optional[name] = true
	}
	if r.streams != nil {
		for name, err := range r.streams() {
			failed["stream "+name], optional["stream "+name] = err, true
		}
	}
	if r.draining() {
		failed[drainCheck] = errDraining
	}
	for name, err := range failed {
		made.Checks[name] = err.Error()
		if optional[name] {
			made.Degraded = append(made.Degraded, name)
		} else {
			made.Ready = false
		}
	}
	slices.Sort(made.Degraded)
	if ctx.Err() == nil {
		r.note(began, made)
	}
	return made
}

// note compares the results of a run with what the log says. Runs can overlap: a run
// that began before the one that was recorded last is out of date.
func (r *readiness) note(began time.Time, made report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if began.Before(r.newest) {
		return
	}
	r.newest = began
	now := r.now()
	names := make(map[string]struct{}, len(made.Checks))
	for name := range made.Checks {
		names[name] = struct{}{}
	}
	for name := range r.checks { // a stream that is not degraded is not named
		names[name] = struct{}{}
	}
	delete(names, drainCheck) // drain logs it itself
	for _, name := range slices.Sorted(maps.Keys(names)) {
		cause := made.Checks[name]
		if cause == "ok" {
			cause = ""
		}
		r.noteCheck(name, cause, slices.Contains(made.Degraded, name), made.Ready, now)
	}
	if !r.started {
		r.started = true
		if made.Ready && len(made.Degraded) == 0 {
			r.logger.Info("ready: all checks pass", "checks", len(made.Checks))
		}
	}
}

// noteCheck logs the change of one check, if there is one.
func (r *readiness) noteCheck(name, cause string, degraded, instanceReady bool, now time.Time) {
	c := r.checks[name]
	if c == nil {
		if cause == "" {
			return
		}
		c = &checkState{since: now, lines: changesAtOnce, refill: now}
		r.checks[name] = c
	}
	lasted := now.Sub(c.since)
	if turned := (c.cause == "") != (cause == ""); turned {
		c.since = now
		c.changes++
	}
	c.cause = cause
	if cause != "" {
		c.optional = degraded
	}
	for c.lines < changesAtOnce && now.Sub(c.refill) >= changeEvery {
		c.lines++
		c.refill = c.refill.Add(changeEvery)
	}
	switch turned := (c.said == "") != (cause == ""); {
	case turned && c.lines > 0:
		if c.lines == changesAtOnce {
			c.refill = now
		}
		c.lines--
	case !turned && cause != c.said && now.Sub(c.saidAt) >= causeEvery:
	default:
		return
	}
	attrs := []any{"check", name}
	if cause != "" {
		attrs = append(attrs, "cause", cause)
	}
	if !c.saidAt.IsZero() {
		// How long the check was in the other state or, if only the cause has
		// changed, how long it has failed.
		if now.Equal(c.since) {
			attrs = append(attrs, "after", lasted.Round(time.Millisecond))
		} else {
			attrs = append(attrs, "for", now.Sub(c.since).Round(time.Millisecond))
		}
	}
	if c.changes > 1 {
		attrs = append(attrs, "changes_not_logged", c.changes-1)
	}
	attrs = append(attrs, "instance_ready", instanceReady)
	c.said, c.saidAt, c.changes = cause, now, 0
	switch {
	case cause == "" && c.optional:
		r.logger.Info("an optional check passes again", attrs...)
	case cause == "":
		r.logger.Info("a required check passes again", attrs...)
	case degraded:
		r.logger.Warn("degraded: an optional check fails", attrs...)
	default:
		r.logger.Warn("not ready: a required check fails", attrs...)
	}
}
