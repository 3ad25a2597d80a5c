package apikeys

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"sluice/auth"
)

const (
	// maxPassed bounds how many secrets are remembered, at about 100 bytes each.
	maxPassed = 10_000
	// maxWaiting bounds how many requests wait for a slow hash.
	maxWaiting = 256
)

// slowChecks checks secrets against slow hashes.
type slowChecks struct {
	slots chan struct{}
	seed  []byte

	mu      sync.Mutex
	passed  map[[sha256.Size]byte]struct{}
	running map[string]chan struct{} // by the text of the hash; closed when it ends
	waiting int
}

func newSlowChecks(slots int) *slowChecks {
	s := &slowChecks{
		slots:   make(chan struct{}, slots),
		seed:    make([]byte, sha256.Size),
		passed:  make(map[[sha256.Size]byte]struct{}),
		running: make(map[string]chan struct{}),
	}
	_, _ = rand.Read(s.seed)
	return s
}

// digest identifies a secret that was compared with a hash. Under a random key, what is
// remembered is of no use outside of the process.
func (s *slowChecks) digest(h hash, secret string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, s.seed)
	mac.Write([]byte(h.text))
	mac.Write([]byte{0})
	mac.Write([]byte(secret))
	mac.Sum(sum[:0])
	return sum
}

// is reports whether a slow hash is that of a secret. Its error is
// auth.ErrVerifierUnavailable, or the context's.
func (s *slowChecks) is(ctx context.Context, h hash, secret string) (bool, error) {
	sum := s.digest(h, secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if _, ok := s.passed[sum]; ok {
			return true, nil
		}
		running := s.running[h.text]
		if running == nil {
			break
		}
		// Somebody who knows an ID and guesses has one slot at most, and a client that
		// connects many times at once has its secret checked once.
		if err := s.wait(ctx, running, nil); err != nil {
			return false, err
		}
	}
	done := make(chan struct{})
	s.running[h.text] = done
	defer func() {
		delete(s.running, h.text)
		close(done)
	}()
	if err := s.wait(ctx, nil, s.slots); err != nil {
		return false, err
	}
	s.mu.Unlock()
	ok := h.slow(secret)
	<-s.slots
	s.mu.Lock()
	if ok {
		s.remember(sum)
	}
	return ok, nil
}

// wait waits until done is closed or there is a slot, whichever is not nil. It requires
// mu, which it releases meanwhile.
func (s *slowChecks) wait(ctx context.Context, done <-chan struct{}, slot chan<- struct{}) error {
	if s.waiting >= maxWaiting {
		return fmt.Errorf("%w: too many slow hashes are to be checked", auth.ErrVerifierUnavailable)
	}
	s.waiting++
	s.mu.Unlock()
	var err error
	select {
	case <-done:
	case slot <- struct{}{}:
	case <-ctx.Done():
		err = fmt.Errorf("wait for the check of a slow hash: %w", ctx.Err())
	}
	s.mu.Lock()
	s.waiting--
	return err
}

// remember requires mu.
func (s *slowChecks) remember(sum [sha256.Size]byte) {
	if len(s.passed) >= maxPassed {
		for other := range s.passed { // a random one
			delete(s.passed, other)
			break
		}
	}
	s.passed[sum] = struct{}{}
}
