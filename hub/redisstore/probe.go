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
	probes := []*scripted{s.probe(0)}
	if _, ok := s.client.(*redis.ClusterClient); ok {
		for n := 1; n < clusterProbes; n++ {
			probes = append(probes, s.probe(n))
		}
	}
	return s.call(ctx, "write to redis", func(ctx context.Context) error {
		if err := s.runAll(ctx, probes); err != nil {
			return err
		}
		for _, one := range probes {
			if err := one.reply.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) probe(n int) *scripted {
	return &scripted{script: probeScript, keys: []string{s.probeKey(n)}, args: []any{probeFor.Milliseconds()}}
}

// probeKey returns a key that no cursor can have: a cursor's key has three parts.
func (s *Store) probeKey(n int) string {
	return s.prefix + "cursor:{probe-" + strconv.Itoa(n) + "}"
}
