package transport_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
)

// idStore keeps message ids in memory.
type idStore struct {
	mu  sync.Mutex
	ids map[string]once.Settlement
	// since are the times of the first claims.
	since map[string]time.Time
}

func (s *idStore) Claim(_ context.Context, claims []once.Claim) []once.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]once.Outcome, len(claims))
	for i, c := range claims {
		known, ok := s.ids[c.Key]
		switch {
		case !ok:
			s.ids[c.Key], s.since[c.Key] = once.Settlement{Digest: c.Digest, Token: c.Token}, c.Since
			all[i] = once.Outcome{State: once.Granted, Token: c.Token, Since: c.Since}
		case known.Digest != c.Digest:
			all[i] = once.Outcome{State: once.Conflict}
		case known.Answer != "":
			all[i] = once.Outcome{State: once.Settled, Answer: known.Answer}
		default:
			all[i] = once.Outcome{State: once.Claimed, Token: known.Token, Since: s.since[c.Key]}
		}
	}
	return all
}

func (s *idStore) Settle(_ context.Context, all []once.Settlement) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range all {
		switch one.Fate {
		case once.Answered:
			s.ids[one.Key] = one
		case once.Free, once.Withdrawn:
			delete(s.ids, one.Key)
		case once.Lost, once.Back:
		}
	}
	return make([]error, len(all))
}

// messageIDs returns a step that stores records with message ids once.
func messageIDs(t *testing.T, logs once.Logs) ingest.Step {
	t.Helper()
	guard, err := once.New(once.Config{
		Store: &idStore{ids: map[string]once.Settlement{}, since: map[string]time.Time{}}, Logs: logs, Wait: time.Second, Skew: time.Second,
		LookbackTime: time.Second, LookbackBytes: 1 << 20, Lookbacks: 1, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = guard.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return guard.Step(once.Policy{Window: time.Hour, Lease: time.Minute})
}
