package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"sluice/cmd/sluice/config"
	"sluice/hub/cursors"
	"sluice/hub/redisstore"
)

// redisPrefix begins all keys and channels.
const redisPrefix = "sluice:"

// namedCursors are the named cursors, and where they are kept.
type namedCursors struct {
	store     *redisstore.Store
	committer *cursors.Committer
}

// newCursors prepares to keep named cursors. It is nil where there is no Redis.
func newCursors(c *config.Config, logger *slog.Logger) (*namedCursors, error) {
	if !c.Redis.Configured() {
		return nil, nil
	}
	options, err := redisOptions(c.Redis)
	if err != nil {
		return nil, err
	}
	made := &namedCursors{}
	if made.store, err = redisstore.New(redisstore.Config{
		Redis:   options,
		Prefix:  redisPrefix,
		TTL:     c.Cursors.TTL,
		Timeout: c.Redis.Timeout,
		Logger:  logger.With("component", "redis"),
	}); err != nil {
		return nil, err
	}
	made.committer, err = cursors.NewCommitter(made.store, c.Cursors.FlushEvery)
	return made, err
}

// parts of the cursors: what was acked is written before the connections end.
func (c *namedCursors) parts() []part {
	if c == nil {
		return nil
	}
	return []part{
		{name: "connections to redis", run: func(ctx context.Context) error {
			<-ctx.Done()
			return c.store.Close()
		}},
		{name: "named cursors", run: c.committer.Run},
	}
}

// redisOptions says how to reach Redis, whichever way it is set up.
func redisOptions(r config.Redis) (redis.UniversalOptions, error) {
	own, err := r.TLS.Load()
	if err != nil {
		return redis.UniversalOptions{}, err
	}
	made := redis.UniversalOptions{
		ClientName: clientID,
		Username:   r.Username,
		Password:   r.Password.Reveal(),
		TLSConfig:  own,
	}
	switch {
	case r.Sentinel != nil:
		made.MasterName = r.Sentinel.Master
		made.Addrs = r.Sentinel.Addresses
		made.DB = r.Sentinel.DB
		made.SentinelUsername = r.Sentinel.Username
		made.SentinelPassword = r.Sentinel.Password.Reveal()
	case len(r.Cluster) > 0:
		made.Addrs = r.Cluster
		made.IsClusterMode = true // also where only one address is given
	default:
		parsed, err := redis.ParseURL(r.URL.Reveal())
		if err != nil {
			// The error may show the URL and the password in it.
			return redis.UniversalOptions{}, fmt.Errorf("parse %s: it is no Redis URL", r.URL)
		}
		made.Addrs, made.DB = []string{parsed.Addr}, parsed.DB
		if parsed.Username != "" {
			made.Username = parsed.Username
		}
		if parsed.Password != "" {
			made.Password = parsed.Password
		}
		made.TLSConfig = joinTLS(own, parsed.TLSConfig)
	}
	return made, nil
}

// joinTLS lets the settings of the configuration go over those of a rediss
// URL, which only know the host.
func joinTLS(own, fromURL *tls.Config) *tls.Config {
	if own == nil || fromURL == nil {
		return fromURL
	}
	if own.ServerName == "" {
		own.ServerName = fromURL.ServerName
	}
	return own
}
