package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// noticed is the time within which clients must notice that their connections broke.
const noticed = 5 * time.Second

// worthStriking is how long a fault waits until its target has work to do.
const worthStriking = 5 * time.Second

func (s *storm) strikeInstance(ctx context.Context, f fault) (string, error) {
	victim := s.stage.instances[f.target]
	// An instance that has just started has no clients that would notice.
	_ = until(ctx, worthStriking, func() error {
		sessions, err := victim.sessions(ctx)
		if err == nil && sessions < len(s.crowd.all)/20 {
			err = errMissed
		}
		return err
	})
	switch f.kind {
	case killed:
		return s.killInstances(ctx, f.lasts, victim)
	case killedTwo:
		return s.killInstances(ctx, f.lasts, victim, s.stage.instances[(f.target+1)%instances])
	case stopped:
		return s.stopInstance(ctx, f.lasts, victim)
	case paused:
		return s.pauseInstance(ctx, f.lasts, victim)
	case rolled:
		var all []string
		for n := range instances {
			shown, err := s.stopInstance(ctx, f.lasts, s.stage.instances[(f.target+n)%instances])
			all = append(all, shown)
			if err != nil {
				return strings.Join(all, ", then "), err
			}
		}
		return strings.Join(all, ", then "), nil
	}
	return "", fmt.Errorf("no such fault: %s", f.kind)
}

func (s *storm) killInstances(ctx context.Context, lasts time.Duration, victims ...*instance) (string, error) {
	sessions := 0
	for _, victim := range victims {
		n, err := victim.sessions(ctx)
		if err != nil {
			return "", err
		}
		sessions += n
	}
	broken := s.crowd.broken.Load()
	var all []string
	for _, victim := range victims {
		shown, err := kill(victim.Server)
		if err != nil {
			return shown, err
		}
		all = append(all, shown)
	}
	shown := strings.Join(all, " and ")
	seen := s.seen(ctx, sessions, func() int64 { return s.crowd.broken.Load() - broken })
	shown += fmt.Sprintf(", %d sessions, %d connections broke", sessions, s.crowd.broken.Load()-broken)
	wait(ctx, lasts)
	for _, victim := range victims {
		if err := victim.Start(ctx); err != nil {
			return shown, err
		}
	}
	return shown, seen
}

// seen waits until a client has noticed the fault, if there were sessions. The
// number of clients that notice means nothing: an instance that was just resumed
// still counts the sessions of clients that connected elsewhere while it was paused.
func (s *storm) seen(ctx context.Context, sessions int, count func() int64) error {
	return until(ctx, noticed, func() error {
		if sessions > 0 && count() == 0 {
			return fmt.Errorf("%w: nobody noticed, of %d sessions", errMissed, sessions)
		}
		return nil
	})
}

func (s *storm) stopInstance(ctx context.Context, lasts time.Duration, victim *instance) (string, error) {
	sessions, err := victim.sessions(ctx)
	if err != nil {
		return "", err
	}
	left, broken, began := s.crowd.left.Load(), s.crowd.broken.Load(), time.Now()
	shown, err := by(victim.Server, victim.Stop)
	if err != nil {
		return shown, err
	}
	shown += fmt.Sprintf(" after %.1fs, %d sessions, %d told to leave", time.Since(began).Seconds(), sessions, s.crowd.left.Load()-left)
	// A client that lost the balancer in the meantime cannot be notified.
	seen := s.seen(ctx, sessions, func() int64 { return s.crowd.left.Load() - left + s.crowd.broken.Load() - broken })
	if !strings.Contains(shown, "exit status 0") {
		seen = errors.Join(seen, errDisorder)
	}
	wait(ctx, lasts)
	if err := victim.Start(ctx); err != nil {
		return shown, err
	}
	return shown, seen
}

func (s *storm) pauseInstance(ctx context.Context, lasts time.Duration, victim *instance) (string, error) {
	sessions, err := victim.sessions(ctx)
	if err != nil {
		return "", err
	}
	shown, err := pause(ctx, victim.Server, lasts, func(ctx context.Context) error {
		_, err := victim.ask(ctx, "/livez")
		return err
	})
	return shown + fmt.Sprintf(", %d sessions", sessions), err
}

func (s *storm) strikeBalancer(ctx context.Context, f fault) (string, error) {
	broken := s.crowd.broken.Load()
	shown, err := kill(s.stage.balancer.Server)
	if err != nil {
		return shown, err
	}
	seen := s.seen(ctx, len(s.crowd.all)/2, func() int64 { return s.crowd.broken.Load() - broken })
	shown += fmt.Sprintf(", %d connections broke", s.crowd.broken.Load()-broken)
	wait(ctx, f.lasts)
	if err := s.stage.balancer.Start(ctx); err != nil {
		return shown, err
	}
	return shown, seen
}
