package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// part is a component that runs for as long as the App does.
type part struct {
	name string
	// start prepares what later parts rely on, and returns. Optional.
	start func(context.Context) error
	// run works until its context ends, and then stops in order. Optional. It is
	// called only after start has succeeded.
	run func(context.Context) error
}

// lifecycle runs parts: it starts them in order and stops them in reverse.
type lifecycle struct {
	logger *slog.Logger
	parts  []part
	// grace bounds the time to stop all parts together.
	grace time.Duration
}

// errEnded is the error of a part that stopped by itself without an error.
var errEnded = errors.New("stopped unexpectedly")

func (l *lifecycle) add(parts ...part) { l.parts = append(l.parts, parts...) }

// running is a part that was started.
type running struct {
	part
	cancel context.CancelFunc
	ended  chan error // receives the result of run, once
}

// run starts the parts and returns when all have stopped: nil if the context ended,
// otherwise the error of the part that failed first. A part that does not stop
// within the grace is abandoned, which is an error too.
func (l *lifecycle) run(ctx context.Context) error {
	failed := make(chan error, len(l.parts))
	started, err := l.startAll(ctx, failed)
	if err == nil {
		l.logger.Info("started")
		select {
		case <-ctx.Done():
			l.logger.Info("stopping", "cause", context.Cause(ctx))
		case err = <-failed:
			l.logger.Error("stopping", "error", err)
		}
	} else if ctx.Err() != nil {
		err = nil // asked to stop before all parts were started
	}
	return errors.Join(err, l.stopAll(started))
}

func (l *lifecycle) startAll(ctx context.Context, failed chan<- error) ([]running, error) {
	var started []running
	for _, p := range l.parts {
		if p.start != nil {
			if err := p.start(ctx); err != nil {
				return started, fmt.Errorf("start %s: %w", p.name, err)
			}
		}
		if p.run == nil {
			continue
		}
		// When ctx ends the parts must stop one after another, not all at once.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := running{part: p, cancel: cancel, ended: make(chan error, 1)}
		started = append(started, r)
		go func() {
			err := p.run(own)
			if own.Err() == nil {
				if err == nil {
					err = errEnded
				}
				failed <- fmt.Errorf("run %s: %w", p.name, err)
				err = nil // already sent to failed
			}
			r.ended <- err
		}()
	}
	return started, nil
}

func (l *lifecycle) stopAll(started []running) error {
	deadline := time.NewTimer(l.grace)
	defer deadline.Stop()
	late := false
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		var err error
		if late {
			// The time is up for all parts: collect results without waiting.
			select {
			case err = <-r.ended:
			default:
				err = errLate
			}
		} else {
			select {
			case err = <-r.ended:
			case <-deadline.C:
				late, err = true, errLate
			}
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("stop %s: %w", r.name, err))
		}
	}
	return errors.Join(errs...)
}

// errLate is the error of a part that still runs when its time is up.
var errLate = errors.New("did not stop in time")
