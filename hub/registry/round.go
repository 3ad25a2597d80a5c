package registry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"sluice/hub/backoff"
)

// longestRetry is the longest wait after a failure, unless Config.Refresh is longer. It
// begins with firstRetry and doubles.
const longestRetry = 30 * time.Second

// pinnedFor is how long a version that cannot change is not asked for again.
const pinnedFor = 100 * 365 * 24 * time.Hour

// mostPlaces bounds how many places of a schema a log line lists.
const mostPlaces = 10

// Start asks for all subjects, and returns however that has ended; after Config.Timeout it
// begins no more requests. It is called at most once, before Run.
func (r *Registry) Start(ctx context.Context) error {
	r.wait = r.round(ctx, time.Now().Add(r.settings.Load().Timeout))
	return ctx.Err()
}

// Run asks for the subjects when that is due, until the context ends. It must be called at
// most once.
func (r *Registry) Run(ctx context.Context) error {
	defer func() { r.settings.Load().client.http.CloseIdleConnections() }()
	var answering sync.WaitGroup
	answering.Go(func() { r.answer(ctx) })
	defer answering.Wait()
	for {
		timer := time.NewTimer(r.wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-r.changed:
			timer.Stop()
		}
		r.wait = r.round(ctx, time.Time{})
	}
}

// round asks for all subjects that are due, those first that were not asked for for the
// longest time, and returns how long it is to the next round. It begins no request after a
// deadline, unless that is zero.
func (r *Registry) round(ctx context.Context, deadline time.Time) (next time.Duration) {
	failed := false
	list := r.followed()
	if r.renewed.Swap(false) {
		for _, s := range list {
			s.due = time.Time{}
		}
	}
	set := r.settings.Load()
	slices.SortStableFunc(list, func(a, b *Subject) int { return a.asked.Compare(b.asked) })
	for _, s := range list {
		now := time.Now()
		if now.Before(s.due) {
			continue
		}
		if !deadline.IsZero() && now.After(deadline) {
			return firstRetry
		}
		s.asked = now
		err := r.ask(ctx, set, s)
		switch {
		case ctx.Err() != nil:
			return firstRetry
		case err == nil && s.version != latest:
			s.due = now.Add(pinnedFor)
		case err == nil:
			s.due = now.Add(set.Refresh / 2)
		default:
			failed = true
		}
		if isAway(err) {
			break // others would wait in vain
		}
	}
	if !failed {
		r.retry = firstRetry
		return backoff.Jitter(set.Refresh)
	}
	next = backoff.Jitter(r.retry)
	r.retry = min(2*r.retry, max(set.Refresh, longestRetry))
	return next
}

// ask asks for a subject, and logs what has changed.
func (r *Registry) ask(ctx context.Context, set *settings, s *Subject) error {
	was := s.error()
	changed, err := s.refresh(ctx, set.client)
	log := set.Logger.With("subject", s.name)
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil && (was == nil || was.Error() != err.Error()):
		log.Warn("cannot get the schema from the registry; retrying", "cause", err, "in_force", s.current.Load() != nil)
	case err != nil:
	case changed:
		now := s.current.Load()
		log.Info("schema in force", "version", now.number, "id", now.id)
		if n := len(now.withoutEffect); n > 0 {
			log.Warn("formats that are not known, or keywords that the draft of the schema does not have, have no effect in it",
				"version", now.number, "places", n, "first", now.withoutEffect[:min(n, mostPlaces)])
		}
	case was != nil:
		log.Info("the registry has the schema again")
	}
	return err
}

func isAway(err error) bool {
	var failed *requestError
	return errors.As(err, &failed) && failed.outcome == Away
}
