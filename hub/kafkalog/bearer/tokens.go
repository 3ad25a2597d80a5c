package bearer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// The wait after a failed renewal begins with firstRetry and doubles up to longestRetry.
// No two renewals are closer than firstRetry.
const (
	firstRetry   = time.Second
	longestRetry = 15 * time.Second
)

// Config configures Tokens.
type Config struct {
	// Source gives the tokens.
	Source Source
	// Timeout bounds one attempt to get a token.
	Timeout time.Duration
	// Lifetime is that of tokens that do not say when they end.
	Lifetime time.Duration
	// Refresh is the longest time between two renewals, 0 for none: then a token is
	// renewed after about three quarters of its lifetime.
	Refresh time.Duration
	// Logger logs when tokens cannot be renewed, and when they can again.
	Logger *slog.Logger
}

// Tokens keeps a token that is valid. All methods are safe for concurrent use.
type Tokens struct {
	config Config
	first  chan struct{} // closed after the first attempt

	// Owned by Start, then Run.
	tried bool
	wait  time.Duration // until the next attempt
	retry time.Duration // until the next attempt, if that fails

	mu      sync.Mutex
	current Token // with an end
	failed  error // why the last attempt failed, nil if it did not
}

// New returns Tokens without a token. Run gets them.
func New(config Config) (*Tokens, error) {
	switch {
	case config.Source == nil:
		return nil, errors.New("new tokens: no source")
	case config.Timeout <= 0 || config.Lifetime <= 0 || config.Refresh < 0:
		return nil, errors.New("new tokens: a timeout and a lifetime above zero are required")
	case config.Logger == nil:
		return nil, errors.New("new tokens: no logger")
	}
	return &Tokens{config: config, first: make(chan struct{}), retry: firstRetry}, nil
}

// Start makes the first attempt to get a token, and returns when it has ended, however it
// has. It is called at most once, before Run.
func (t *Tokens) Start(ctx context.Context) error {
	t.attempt(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("get the first token: %w", ctx.Err())
	}
	return nil
}

// attempt makes one attempt, and sets when the next one is due.
func (t *Tokens) attempt(ctx context.Context) {
	var err error
	if t.wait, err = t.renew(ctx); err == nil {
		t.retry = firstRetry
	} else {
		t.wait = jitter(t.retry)
		t.retry = min(2*t.retry, longestRetry)
	}
	if !t.tried && ctx.Err() == nil {
		t.tried = true
		close(t.first)
	}
}

// Run renews the token until the context ends. It must be called at most once.
func (t *Tokens) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if !t.tried {
			t.attempt(ctx)
			continue
		}
		timer := time.NewTimer(t.wait)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
			t.attempt(ctx)
		}
	}
	return nil
}

// renew makes one attempt. It returns when the next one is due.
func (t *Tokens) renew(ctx context.Context) (next time.Duration, err error) {
	attempt, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	token, err := t.config.Source.Token(attempt)
	now := time.Now()
	if err == nil && token.Expires.IsZero() {
		token.Expires = now.Add(t.config.Lifetime)
	}
	if err == nil && !now.Before(token.Expires) {
		err = errExpired
	}
	if err != nil && ctx.Err() != nil {
		return 0, err
	}
	t.mu.Lock()
	was, ends := t.failed, t.current.Expires
	t.failed = err
	if err == nil {
		t.current = token
	}
	t.mu.Unlock()
	switch {
	case err != nil && was == nil && ends.IsZero():
		t.config.Logger.Warn("cannot get a token for Kafka; retrying", "cause", err)
	case err != nil && was == nil:
		t.config.Logger.Warn("cannot renew the token for Kafka; retrying", "cause", err, "token_in_use_ends", ends)
	case err != nil && was.Error() != err.Error():
		t.config.Logger.Warn("still cannot renew the token for Kafka; retrying", "cause", err, "token_in_use_ends", ends)
	case err != nil:
	case was != nil:
		t.config.Logger.Info("the token for Kafka is renewed again", "ends", token.Expires)
	}
	if err != nil {
		return 0, err
	}
	next = jitter(token.Expires.Sub(now) * 17 / 20)
	if t.config.Refresh > 0 {
		next = min(next, t.config.Refresh)
	}
	return max(next, firstRetry), nil
}

// jitter returns a random time between 80 % of d and d, so that instances do not ask all
// at once.
func jitter(d time.Duration) time.Duration {
	return d*4/5 + rand.N(d/5+1) //nolint:gosec // nothing secret depends on it
}

// Token returns the token in use. Before the first attempt has ended it waits for it.
func (t *Tokens) Token(ctx context.Context) (Token, error) {
	select {
	case <-t.first:
	case <-ctx.Done():
		return Token{}, fmt.Errorf("wait for the first token: %w", ctx.Err())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.valid(); err != nil {
		return Token{}, err
	}
	return t.current, nil
}

// valid returns why there is no valid token. The caller holds mu.
func (t *Tokens) valid() error {
	switch {
	case time.Now().Before(t.current.Expires):
		return nil
	case t.failed != nil:
		return fmt.Errorf("there is no valid token: %w", t.failed)
	case t.current.Expires.IsZero():
		return errors.New("there is no token yet")
	}
	return fmt.Errorf("there is no valid token: %w", errExpired)
}

// Ready returns why there is no valid token.
func (t *Tokens) Ready(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.valid()
}

// Renewed returns why the token in use, which is still valid, could not be renewed the
// last time.
func (t *Tokens) Renewed(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil || t.valid() != nil {
		return nil
	}
	return fmt.Errorf("cannot renew the token, which ends at %s: %w", t.current.Expires.UTC().Format(time.RFC3339), t.failed)
}
