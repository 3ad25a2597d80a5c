package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// part is something that runs for as long as the App does.
type part struct {
	name string
	// start makes ready what later parts rely on, and returns. Optional.
	start func(context.Context) error
	// run works until its context ends, and then ends in order. Optional. It
	// is called only after start has succeeded.
	run func(context.Context) error
}

// lifecycle runs parts: in order to start, in reverse to stop.
type lifecycle struct {
	logger *slog.Logger
	parts  []part
	// grace bounds stopping, all parts together.
	grace time.Duration
}

// errEnded is a part that stopped of itself, without saying why.
var errEnded = errors.New("it ended by itself")

func (l *lifecycle) add(parts ...part) { l.parts = append(l.parts, parts...) }

// running is a part that has been started.
type running struct {
	part
	cancel context.CancelFunc
	ended  chan error // holds what run returned, once
}

// run starts the parts and returns when all have stopped: nil when the context
// ended, else the error of the part that failed first. A part that does not
// stop within the grace is left behind, which is an error too.
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
		err = nil // asked to stop before it had started
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
		// The parts must not all stop at once when ctx ends, but in turn.
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
				err = nil // told already
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
			// The time is up for all: take what has ended, wait for nobody.
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

// errLate is a part that is still running when its time is up.
var errLate = errors.New("it did not end in time")
