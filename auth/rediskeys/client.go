package rediskeys

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/auth/rediscall"
)

// Config configures a Client.
type Config struct {
	// Redis specifies the address of Redis and the login. Its timeouts, retries and
	// routing are overridden.
	Redis redis.UniversalOptions
	// Prefix is the prefix of every key. It must not contain braces, which would
	// decide the slot of every key in a Cluster.
	Prefix string
	// Timeout bounds one call, from dialling to the answer.
	Timeout time.Duration
	// Logger logs when Redis becomes unavailable and available again.
	Logger *slog.Logger
}

// Client calls Redis. All methods are safe for concurrent use.
type Client struct {
	redis  *rediscall.Client
	prefix string
}

// New returns a client. It does not connect: Redis may be unavailable when Sluice
// starts.
func New(config Config) (*Client, error) {
	client, err := rediscall.New(rediscall.Config{
		Redis: config.Redis, Prefix: config.Prefix, Timeout: config.Timeout, Logger: config.Logger,
		Unavailable: "redis unavailable; refusing API keys and proofs that are kept there",
		Available:   "redis available again for credentials",
	})
	if err != nil {
		return nil, err
	}
	return &Client{redis: client, prefix: config.Prefix}, nil
}

// Close closes all connections; calls in progress fail.
func (c *Client) Close() error { return c.redis.Close() }

// call calls Redis once, within the timeout, unless the breaker is open.
func (c *Client) call(ctx context.Context, doing string, ask func(context.Context) error) error {
	if err := c.redis.Call(ctx, ask); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
