package redisauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/auth"
	"sluice/auth/rediscall"
)

// Config configures the connection to Redis. All fields must be set, except the
// optional ones of Redis.
type Config struct {
	// Redis specifies the address of Redis and the login. Its timeouts, retries and
	// routing are overridden.
	Redis redis.UniversalOptions
	// Prefix is the prefix of every key and channel. It must not contain braces, which
	// would decide the slot of every key in a Cluster.
	Prefix string
	// Timeout bounds one call, from dialling to the answer.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Connection is the connection to Redis that tickets and revocations share. Its methods
// are safe for concurrent use.
type Connection struct {
	client *rediscall.Client
	prefix string
	log    *slog.Logger
}

// New returns a connection. It does not connect: Redis may be unavailable when Sluice
// starts.
func New(config Config) (*Connection, error) {
	client, err := rediscall.New(rediscall.Config{
		Redis: config.Redis, Prefix: config.Prefix, Timeout: config.Timeout, Logger: config.Logger,
		Unavailable: "redis unavailable; refusing tickets",
		Available:   "redis available again",
	})
	if err != nil {
		return nil, err
	}
	return &Connection{client: client, prefix: config.Prefix, log: config.Logger}, nil
}

// Close closes all connections; calls in progress fail.
func (c *Connection) Close() error { return c.client.Close() }

// call calls Redis once, within the timeout, unless the breaker is open. It returns nil,
// the caller's own context error, or auth.ErrStoreUnavailable with the cause.
func (c *Connection) call(ctx context.Context, doing string, ask func(context.Context) error) error {
	err := c.client.Call(ctx, ask)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rediscall.ErrGaveUp):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w: %w", doing, auth.ErrStoreUnavailable, err)
	}
}
