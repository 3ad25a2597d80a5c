package redisstore

import (
	"context"
	_ "embed" // the script
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed probe.lua
var probeSource string

var probeScript = redis.NewScript(probeSource)

const (
	// probeFor is how long the hash that a probe writes is kept.
	probeFor = 10 * time.Second
	// clusterProbes is the number of keys that are written to in a Cluster, so
	// that each of its nodes very likely has one of their slots.
	clusterProbes = 16
)

// Check reports whether cursors can be stored: it returns nil, or
// cursors.ErrStoreUnavailable with the cause. It writes a small hash that lives
// for some seconds, because a read-only replica and a server that is out of
// memory answer a ping normally.
func (s *Store) Check(ctx context.Context) error {
	keys := make([]string, 1, clusterProbes)
	keys[0] = s.probeKey(0)
	if _, ok := s.client.(*redis.ClusterClient); ok {
		for n := 1; n < clusterProbes; n++ {
			keys = append(keys, s.probeKey(n))
		}
	}
	return s.call(ctx, "write to redis", func(ctx context.Context) error {
		return s.probe(ctx, keys)
	})
}

// probe writes to all the keys in one round trip, or two if a server does not
// know the script.
func (s *Store) probe(ctx context.Context, keys []string) error {
	run := func(run evaluate) error {
		pipe := s.client.Pipeline()
		for _, key := range keys {
			run(ctx, pipe, []string{key}, probeFor.Milliseconds())
		}
		answers, err := pipe.Exec(ctx)
		if err == nil || !answered(err) {
			return err
		}
		// Exec's error is the first one, which may hide that of another node.
		for _, answer := range answers {
			if own := answer.Err(); own != nil && !redis.HasErrorPrefix(own, "NOSCRIPT") {
				return own
			}
		}
		return err
	}
	err := run(probeScript.EvalSha)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		err = run(probeScript.Eval)
	}
	return err
}

// probeKey returns a key that no cursor can have: a cursor's key has three parts.
func (s *Store) probeKey(n int) string {
	return s.prefix + "cursor:{probe-" + strconv.Itoa(n) + "}"
}
