package dpop

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// digest identifies a proof: its key and its jti.
type digest [sha256.Size]byte

func digestOf(thumbprint, id string) (sum digest) {
	hash := sha256.New()
	hash.Write([]byte(thumbprint))
	hash.Write([]byte{0})
	hash.Write([]byte(id))
	hash.Sum(sum[:0])
	return sum
}

var (
	errUsed = refused("it was used before")
	errFull = errors.New("too many proofs are remembered")
)

// replays are the proofs that were used on this instance. They are forgotten a
// generation at a time: one is remembered for at least a span, and at most two.
type replays struct {
	// Immutable.
	span         time.Duration
	most, perKey int // proofs in one generation

	mu          sync.Mutex
	began       time.Time // of the generation now
	now, before map[digest]struct{}
	keys        map[string]int // proofs in now, by thumbprint
}

func newReplays(span time.Duration, most, perKey int) *replays {
	return &replays{span: span, most: most, perKey: perKey, now: make(map[digest]struct{}), keys: make(map[string]int)}
}

// use notes that a proof is used at a time. The error is errUsed for one that was used
// before, and errFull.
func (r *replays) use(proof digest, thumbprint string, at time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if passed := at.Sub(r.began); passed >= r.span {
		r.before = r.now
		if passed >= 2*r.span {
			r.before = nil
		}
		r.now, r.keys, r.began = make(map[digest]struct{}), make(map[string]int), at
	}
	_, inNow := r.now[proof]
	_, inBefore := r.before[proof]
	switch {
	case inNow || inBefore:
		return errUsed
	case len(r.now) >= r.most || r.keys[thumbprint] >= r.perKey:
		return errFull
	}
	r.now[proof] = struct{}{}
	r.keys[thumbprint]++
	return nil
}
