package redisstore

import (
	"context"
	"strings"
)

// noEviction is the policy of a Redis that refuses writes once its memory is used up.
const noEviction = "noeviction"

// Eviction returns the policy by which Redis deletes keys before their time when its memory is
// used up, "" if it does not, or does not say. The error is cursors.ErrStoreUnavailable.
func (s *Store) Eviction(ctx context.Context) (policy string, err error) {
	err = s.call(ctx, "ask redis for its memory", func(ctx context.Context) error {
		text, err := s.client.Info(ctx, "memory").Result()
		if err != nil && !answered(err) {
			return err
		}
		policy = evictionIn(text)
		return nil
	})
	return policy, err
}

// evictionIn finds the policy in what INFO answers.
func evictionIn(text string) string {
	limit, policy := "0", noEviction
	for line := range strings.SplitSeq(text, "\n") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "maxmemory":
			limit = value
		case "maxmemory_policy":
			policy = value
		}
	}
	if limit == "0" || policy == noEviction {
		return ""
	}
	return policy
}
