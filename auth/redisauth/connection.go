package redisauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"sluice/auth"
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
	client  redis.UniversalClient
	breaker *gobreaker.CircuitBreaker[struct{}]
	prefix  string
	timeout time.Duration
	log     *slog.Logger
}

const (
	// tripAfter is the number of failures in a row after which the breaker opens.
	tripAfter = 3
	// probeEvery is how long the breaker stays open before one call is let through.
	probeEvery = time.Second
)

// New returns a connection. It does not connect: Redis may be unavailable when Sluice
// starts.
func New(config Config) (*Connection, error) {
	switch {
	case len(config.Redis.Addrs) == 0:
		return nil, errors.New("new connection: no Redis address")
	case strings.ContainsAny(config.Prefix, "{}"):
		return nil, fmt.Errorf("new connection: prefix %q contains a brace", config.Prefix)
	case config.Timeout <= 0:
		return nil, fmt.Errorf("new connection: timeout %s is not positive", config.Timeout)
	case config.Logger == nil:
		return nil, errors.New("new connection: no logger")
	}
	c := &Connection{
		client: newClient(config.Redis, config.Timeout), prefix: config.Prefix, timeout: config.Timeout, log: config.Logger,
	}
	c.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "redis",
		Timeout:      probeEvery,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		IsSuccessful: answered,
		IsExcluded:   func(err error) bool { return errors.Is(err, errGaveUp) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case to == gobreaker.StateClosed:
				c.log.Info("redis available again")
			case from == gobreaker.StateClosed:
				c.log.Warn("redis unavailable; refusing tickets", "failed_calls", tripAfter, "tried_every", probeEvery)
			}
		},
	})
	return c, nil
}

// newClient returns a client that fails soon: a call is tried once, and the circuit
// breaker does the rest.
func newClient(options redis.UniversalOptions, timeout time.Duration) redis.UniversalClient {
	options.DialTimeout = timeout
	options.DialerRetries = 1
	options.ReadTimeout = timeout
	options.WriteTimeout = timeout
	options.PoolTimeout = timeout
	options.MaxRetries = -1
	options.MinRetryBackoff = time.Millisecond
	options.MaxRetryBackoff = timeout / 4
	options.ContextTimeoutEnabled = true
	// A replica may lag behind, and a ticket is taken by a write.
	options.ReadOnly = false
	options.RouteByLatency = false
	options.RouteRandomly = false
	// Only Redis Enterprise has these notifications.
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewUniversalClient(&options)
}

// Close closes all connections; calls in progress fail.
func (c *Connection) Close() error { return c.client.Close() }

// errGaveUp marks a call whose caller's context ended, which means nothing about Redis.
var errGaveUp = errors.New("the caller gave up")

// answered reports whether Redis has answered. A refusal (out of memory, no permission)
// fails the call, but the next one may well succeed.
func answered(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply)
}

// call calls Redis once, within the timeout, unless the breaker is open. It returns nil,
// the caller's own context error, or auth.ErrStoreUnavailable with the cause.
func (c *Connection) call(ctx context.Context, doing string, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.breaker.Execute(func() (struct{}, error) {
		err := ask(bounded)
		if err != nil && !answered(err) && ctx.Err() != nil {
			return struct{}{}, fmt.Errorf("%w: %w", errGaveUp, ctx.Err())
		}
		return struct{}{}, err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errGaveUp):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w: %w", doing, auth.ErrStoreUnavailable, err)
	}
}
