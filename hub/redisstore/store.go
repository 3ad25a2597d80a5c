package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"sluice/hub/cursors"
)

// Config configures a Store. All fields must be set, except Names and the optional ones
// of Redis.
type Config struct {
	// Redis specifies the address of Redis and the login: one address for a
	// single server, MasterName for Sentinel, several addresses for a Cluster,
	// TLSConfig for TLS. Its timeouts, retries and routing are overridden.
	Redis redis.UniversalOptions
	// Prefix is the prefix of every key and channel. It must not contain braces,
	// which would decide the slot of every key in a Cluster.
	Prefix string
	// TTL is how long a name is kept after its last commit, at least a second.
	TTL time.Duration
	// Names is how many names of a principal are kept, 0 for any number. A name counts
	// until TTL after it was last taken or moved without a lease.
	Names int
	// Timeout bounds one call, from dialling to the answer.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Store is a cursors.Store and a once.Store in Redis.
type Store struct {
	client  redis.UniversalClient
	breaker *gobreaker.CircuitBreaker[struct{}]
	failed  atomic.Pointer[error] // why the last call that failed was not answered
	prefix  string
	ttl     time.Duration
	names   int
	timeout time.Duration
	log     *slog.Logger
}

var _ cursors.Store = (*Store)(nil)

const (
	// tripAfter is the number of failures in a row after which the breaker opens.
	tripAfter = 3
	// probeEvery is how long the breaker stays open before one call is let
	// through.
	probeEvery = time.Second
)

// New returns a store. It does not connect: Redis may be unavailable when Sluice
// starts.
func New(config Config) (*Store, error) {
	switch {
	case len(config.Redis.Addrs) == 0:
		return nil, errors.New("new cursor store: no Redis address")
	case strings.ContainsAny(config.Prefix, "{}"):
		return nil, fmt.Errorf("new cursor store: prefix %q contains a brace", config.Prefix)
	case config.TTL < time.Second:
		return nil, fmt.Errorf("new cursor store: time to live %s is below a second", config.TTL)
	case config.Names < 0:
		return nil, fmt.Errorf("new cursor store: a negative number of names, %d", config.Names)
	case config.Timeout <= 0:
		return nil, fmt.Errorf("new cursor store: timeout %s is not positive", config.Timeout)
	case config.Logger == nil:
		return nil, errors.New("new cursor store: no logger")
	}
	s := &Store{
		client:  newClient(config.Redis, config.Timeout),
		prefix:  config.Prefix,
		ttl:     config.TTL,
		names:   config.Names,
		timeout: config.Timeout,
		log:     config.Logger,
	}
	s.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "redis",
		Timeout:      probeEvery,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		IsSuccessful: answered,
		IsExcluded:   func(err error) bool { return errors.Is(err, errGaveUp) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			s.noteBreaker(from, to)
		},
	})
	return s, nil
}

// Close closes all connections; calls in progress fail.
func (s *Store) Close() error { return s.client.Close() }

// noteBreaker logs that Redis became unavailable and that it is available again.
// Failed probes in between are not logged.
func (s *Store) noteBreaker(from, to gobreaker.State) {
	switch {
	case to == gobreaker.StateClosed:
		s.log.Info("redis available again; storing named cursors and message ids")
	case from == gobreaker.StateClosed:
		s.log.Warn("redis unavailable; refusing named cursors and message ids", "failed_calls", tripAfter, "tried_every", probeEvery)
	}
}

// errGaveUp marks a call whose caller's context ended, which means nothing about
// Redis.
var errGaveUp = errors.New("the caller gave up")

// answered reports whether Redis has answered. A refusal (out of memory, no
// permission) fails the call, but the next one may well succeed.
func answered(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply)
}

// call calls Redis once, within the timeout, unless the breaker is open. It
// returns nil, the caller's own context error, or cursors.ErrStoreUnavailable
// with the cause.
func (s *Store) call(ctx context.Context, doing string, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.breaker.Execute(func() (struct{}, error) {
		err := ask(bounded)
		if err != nil && !answered(err) && ctx.Err() != nil {
			return struct{}{}, fmt.Errorf("%w: %w", errGaveUp, ctx.Err())
		}
		if !answered(err) {
			s.failed.Store(&err)
		}
		return struct{}{}, err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests):
		// As a text: it is not what this call has failed with.
		return fmt.Errorf("%s: %w: %w: %v", doing, cursors.ErrStoreUnavailable, err, *s.failed.Load()) //nolint:errorlint // see above
	case errors.Is(err, errGaveUp):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w: %w", doing, cursors.ErrStoreUnavailable, err)
	}
}
