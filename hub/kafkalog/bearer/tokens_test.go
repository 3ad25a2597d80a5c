package bearer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/kafkalog/bearer"
)

// source gives what it is told to, and counts.
type source struct {
	mu       sync.Mutex
	lifetime time.Duration // of its tokens; 0 for tokens that do not say
	err      error
	hangs    bool
	asked    int
}

func (s *source) Token(ctx context.Context) (bearer.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.hangs {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return bearer.Token{}, ctx.Err()
	}
	if s.err != nil {
		return bearer.Token{}, s.err
	}
	var expires time.Time
	if s.lifetime != 0 {
		expires = time.Now().Add(s.lifetime)
	}
	return bearer.NewToken(fmt.Sprint("token-", s.asked), expires)
}

// journal is a log.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// change changes what it does.
func (s *source) change(change func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// times returns how often it was asked.
func (s *source) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// running starts Tokens in a bubble.
func running(t *testing.T, s *source, change func(*bearer.Config)) (*bearer.Tokens, *journal) {
	t.Helper()
	log := &journal{}
	config := bearer.Config{Source: s, Timeout: 2 * time.Second, Lifetime: time.Minute, Logger: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&config)
	}
	tokens, err := bearer.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if tokens.Start(ctx) == nil {
			_ = tokens.Run(ctx)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return tokens, log
}

// TestTokenIsRenewedInTime: at no time over many lifetimes is there no valid token.
func TestTokenIsRenewedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{lifetime: 10 * time.Minute}
		tokens, _ := running(t, s, nil)
		for range 1000 {
			token, err := tokens.Token(t.Context())
			if err != nil || time.Until(token.Expires) < 90*time.Second {
				t.Fatalf("a token until %v, %v", token.Expires, err)
			}
			time.Sleep(6 * time.Second)
		}
		if s.times() < 10 || s.times() > 16 { // 100 minutes of 6.8 to 8.5
			t.Errorf("it was renewed %d times", s.times())
		}
		if tokens.Ready(t.Context()) != nil || tokens.Renewed(t.Context()) != nil {
			t.Error("it is not ready")
		}
	})
}

// TestLastTokenServesUntilItsEnd: while tokens cannot be renewed, for whatever reason,
// the last one is given out until its end, and no longer.
func TestLastTokenServesUntilItsEnd(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*source){
		"error":   func(s *source) { s.err = errors.New("the endpoint is away") },
		"hangs":   func(s *source) { s.hangs = true },
		"expired": func(s *source) { s.lifetime = -time.Second },
		"ends at once": func(s *source) {
			s.lifetime = time.Nanosecond // synctest's clock stands still in between
			s.err = errors.New("x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{lifetime: 10 * time.Minute}
				tokens, log := running(t, s, nil)
				first, err := tokens.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.change(fail)
				time.Sleep(time.Until(first.Expires) - time.Second)
				if got, err := tokens.Token(t.Context()); err != nil || got.Reveal() != first.Reveal() {
					t.Errorf("before its end: %v, %v", got, err)
				}
				if tokens.Ready(t.Context()) != nil {
					t.Error("it is not ready before the end")
				}
				if err := tokens.Renewed(t.Context()); err == nil || !strings.Contains(err.Error(), "which ends at 2000-01-01T00:10:00Z") {
					t.Errorf("the failure is told as %v", err)
				}
				time.Sleep(time.Second)
				began := time.Now()
				if got, err := tokens.Token(t.Context()); err == nil || got.Reveal() != "" || time.Since(began) > 0 {
					t.Errorf("after its end: %v, %v", got.Reveal(), err)
				}
				if err := tokens.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no valid token: ") {
					t.Errorf("after its end it is ready: %v", err)
				}
				asked := s.times()
				time.Sleep(10 * time.Minute)
				if s.times()-asked < 30 || s.times()-asked > 60 {
					t.Errorf("it was asked %d times in ten minutes", s.times()-asked)
				}
				if n := strings.Count(log.String(), "level=WARN"); n != 1 {
					t.Errorf("%d warnings:\n%s", n, log)
				}
				s.change(func(s *source) { s.lifetime, s.err, s.hangs, s.asked = 10*time.Minute, nil, false, 1000 })
				time.Sleep(20 * time.Second)
				if got, err := tokens.Token(t.Context()); err != nil || got.Reveal() == first.Reveal() {
					t.Errorf("it does not recover: %v", err)
				}
				if !strings.Contains(log.String(), "is renewed again") || strings.Contains(log.String(), "token-") {
					t.Errorf("the log is\n%s", log)
				}
			})
		})
	}
}

// TestFirstToken: who needs a token waits for the first attempt, not longer, and not for
// a second one.
func TestFirstToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{hangs: true}
		tokens, log := running(t, s, nil)
		began := time.Now()
		if _, err := tokens.Token(t.Context()); err == nil || time.Since(began) != 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if !strings.Contains(log.String(), "cannot get a token") || strings.Contains(log.String(), "0001-01-01") {
			t.Errorf("the log is\n%s", log)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		idle, err := bearer.New(bearer.Config{Source: s, Timeout: time.Second, Lifetime: time.Second, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := idle.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without Run: %v", err)
		}
		if err := idle.Ready(ctx); err == nil {
			t.Error("it is ready without Run")
		}
	})
}

// TestRefresh: a source can be read more often than its tokens end, and a token without
// an end has the lifetime of the configuration.
func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		tokens, _ := running(t, s, func(c *bearer.Config) { c.Refresh = 10 * time.Second })
		token, err := tokens.Token(t.Context())
		if err != nil || time.Until(token.Expires) != time.Minute {
			t.Errorf("a token until %v, %v", token.Expires, err)
		}
		time.Sleep(99 * time.Second)
		if s.times() != 10 {
			t.Errorf("it was read %d times", s.times())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &source{lifetime: time.Millisecond}
		_, _ = running(t, s, nil)
		time.Sleep(10 * time.Second)
		if s.times() > 11 {
			t.Errorf("it was asked %d times in ten seconds", s.times())
		}
	})
}
