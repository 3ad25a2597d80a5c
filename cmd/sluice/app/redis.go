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

// redisPrefix is the prefix of all keys and channels.
const redisPrefix = "sluice:"

// namedCursors are the named cursors with the store that keeps them.
type namedCursors struct {
	store     *redisstore.Store
	committer *cursors.Committer
}

// newCursors prepares the store of named cursors. It returns nil if there is no
// Redis.
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
		Names:   c.Cursors.PerPrincipal,
		Timeout: c.Redis.Timeout,
		Logger:  logger.With("component", "redis"),
	}); err != nil {
		return nil, err
	}
	made.committer, err = cursors.NewCommitter(made.store, c.Cursors.FlushEvery)
	return made, err
}

// parts returns the parts of the cursors. Acks are written before the connections
// are closed.
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

// redisOptions returns the connection options for any kind of Redis setup.
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
		made.IsClusterMode = true // also if only one address is given
	default:
		parsed, err := redis.ParseURL(r.URL.Reveal())
		if err != nil {
			// The error may contain the URL and its password.
			return redis.UniversalOptions{}, fmt.Errorf("parse %s: not a Redis URL", r.URL)
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

// joinTLS gives the settings of the configuration precedence over those of a rediss
// URL, which contain only the host.
func joinTLS(own, fromURL *tls.Config) *tls.Config {
	if own == nil || fromURL == nil {
		return fromURL
	}
	if own.ServerName == "" {
		own.ServerName = fromURL.ServerName
	}
	return own
}
