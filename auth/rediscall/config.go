package rediscall

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config configures a Client. All fields must be set, except Prefix and the optional ones
// of Redis.
type Config struct {
	// Redis specifies the address of Redis and the login. Its timeouts, retries and
	// routing are overridden.
	Redis redis.UniversalOptions
	// Prefix is the prefix of every key and channel, which the caller adds. It must not
	// contain braces, which would decide the slot of every key in a Cluster.
	Prefix string
	// Timeout bounds one call, from dialling to the answer.
	Timeout time.Duration
	Logger  *slog.Logger
	// Unavailable and Available are what is logged when an outage begins and ends.
	Unavailable, Available string
}

func (c *Config) check() error {
	switch {
	case len(c.Redis.Addrs) == 0:
		return errors.New("no address")
	case strings.ContainsAny(c.Prefix, "{}"):
		return fmt.Errorf("prefix %q contains a brace", c.Prefix)
	case c.Timeout <= 0:
		return fmt.Errorf("timeout %s is not positive", c.Timeout)
	case c.Logger == nil:
		return errors.New("no logger")
	}
	return nil
}

// options returns the options of a client that fails soon: a call is tried once, and the
// circuit breaker does the rest. In a Cluster redirections are followed, within the
// call's deadline.
func (c *Config) options() *redis.UniversalOptions {
	options := c.Redis
	options.DialTimeout = c.Timeout
	options.DialerRetries = 1
	options.ReadTimeout = c.Timeout
	options.WriteTimeout = c.Timeout
	options.PoolTimeout = c.Timeout
	options.MaxRetries = -1
	options.MinRetryBackoff = time.Millisecond
	options.MaxRetryBackoff = c.Timeout / 4
	options.ContextTimeoutEnabled = true
	// A replica may lag behind: it may still have a key that was removed, and lack a
	// ticket or a proof that was used.
	options.ReadOnly = false
	options.RouteByLatency = false
	options.RouteRandomly = false
	// Only Redis Enterprise has these notifications.
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &options
}
