package rediskeys

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
)

const (
	// tripAfter is the number of failures in a row after which the breaker opens.
	tripAfter = 3
	// probeEvery is how long the breaker stays open before one call is let through.
	probeEvery = time.Second
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
	redis   redis.UniversalClient
	breaker *gobreaker.CircuitBreaker[struct{}]
	prefix  string
	timeout time.Duration
	log     *slog.Logger
}

// New returns a client. It does not connect: Redis may be unavailable when Sluice
// starts.
func New(config Config) (*Client, error) {
	switch {
	case len(config.Redis.Addrs) == 0:
		return nil, errors.New("new redis client: no address")
	case strings.ContainsAny(config.Prefix, "{}"):
		return nil, fmt.Errorf("new redis client: prefix %q contains a brace", config.Prefix)
	case config.Timeout <= 0:
		return nil, fmt.Errorf("new redis client: timeout %s is not positive", config.Timeout)
	case config.Logger == nil:
		return nil, errors.New("new redis client: no logger")
	}
	options := config.Redis
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = config.Timeout, config.Timeout, config.Timeout, config.Timeout
	options.DialerRetries, options.MaxRetries = 1, -1
	options.ContextTimeoutEnabled = true
	// A replica may still have a key that was removed, and lack a proof that was used.
	options.ReadOnly, options.RouteByLatency, options.RouteRandomly = false, false, false
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := &Client{redis: redis.NewUniversalClient(&options), prefix: config.Prefix, timeout: config.Timeout, log: config.Logger}
	c.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          "redis",
		Timeout:       probeEvery,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		IsSuccessful:  answered,
		IsExcluded:    func(err error) bool { return errors.Is(err, errGaveUp) },
		OnStateChange: func(_ string, from, to gobreaker.State) { c.noteBreaker(from, to) },
	})
	return c, nil
}

// Close closes all connections; calls in progress fail.
func (c *Client) Close() error { return c.redis.Close() }

func (c *Client) noteBreaker(from, to gobreaker.State) {
	switch {
	case to == gobreaker.StateClosed:
		c.log.Info("redis available again for credentials")
	case from == gobreaker.StateClosed:
		c.log.Warn("redis unavailable; refusing API keys and proofs that are kept there", "failed_calls", tripAfter, "tried_every", probeEvery)
	}
}

// errGaveUp marks a call whose caller's context ended, which means nothing about Redis.
var errGaveUp = errors.New("the caller gave up")

// answered reports whether Redis has answered.
func answered(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply)
}

// call calls Redis once, within the timeout, unless the breaker is open.
func (c *Client) call(ctx context.Context, doing string, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.breaker.Execute(func() (struct{}, error) {
		err := ask(bounded)
		if err != nil && !answered(err) && ctx.Err() != nil {
			return struct{}{}, fmt.Errorf("%w: %w", errGaveUp, ctx.Err())
		}
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
