package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// evicting is a Redis that is away at first, and then has a policy.
type evicting struct {
	away   int
	policy string
}

func (e *evicting) Eviction(context.Context) (string, error) {
	if e.away--; e.away >= 0 {
		return "", errors.New("away")
	}
	return e.policy, nil
}

// TestWarningOfEviction: once, as soon as Redis can be asked, and only if it deletes keys.
func TestWarningOfEviction(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]int{"": 0, "allkeys-lru": 1} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			warnOfEviction(t.Context(), &evicting{away: 3, policy: policy}, slog.New(slog.NewTextHandler(&log, nil)))
			if got := strings.Count(log.String(), "maxmemory-policy"); got != want || want > 0 && !strings.Contains(log.String(), policy) {
				t.Errorf("policy %q: %s", policy, log.String())
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			warnOfEviction(ended, &evicting{away: 1 << 30}, slog.New(slog.DiscardHandler))
		})
	}
}
