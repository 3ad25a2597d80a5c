package rediscall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

const (
	// tripAfter is the number of failures in a row after which the breaker opens.
	tripAfter = 3
	// probeEvery is how long the breaker stays open before one call is let through.
	probeEvery = time.Second
)

// ErrGaveUp marks a call whose caller's context ended, which means nothing about Redis.
var ErrGaveUp = errors.New("the caller gave up")

// Client is a client of Redis. Its methods are safe for concurrent use. What is called
// without Call passes the breaker by, and has no bound but the timeouts of go-redis.
type Client struct {
	redis.UniversalClient
	breaker *gobreaker.CircuitBreaker[struct{}]
	timeout time.Duration
}

// New returns a client. It does not connect: Redis may be unavailable when Sluice
// starts.
func New(config Config) (*Client, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("new redis client: %w", err)
	}
	breaker := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "redis",
		Timeout:      probeEvery,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		IsSuccessful: answered,
		IsExcluded:   func(err error) bool { return errors.Is(err, ErrGaveUp) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case to == gobreaker.StateClosed:
				config.Logger.Info(config.Available)
			case from == gobreaker.StateClosed:
				config.Logger.Warn(config.Unavailable, "failed_calls", tripAfter, "tried_every", probeEvery)
			}
		},
	})
	return &Client{UniversalClient: redis.NewUniversalClient(config.options()), breaker: breaker, timeout: config.Timeout}, nil
}

// answered reports whether Redis has answered. A refusal (out of memory, no permission)
// fails the call, but the next one may well succeed.
func answered(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply)
}

// Call calls Redis once, within the timeout, unless the breaker is open. It returns nil,
// ErrGaveUp with the caller's own context error, or what failed.
func (c *Client) Call(ctx context.Context, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.breaker.Execute(func() (struct{}, error) {
		err := ask(bounded)
		if err != nil && !answered(err) && ctx.Err() != nil {
			return struct{}{}, fmt.Errorf("%w: %w", ErrGaveUp, ctx.Err())
		}
		return struct{}{}, err
	})
	return err
}
