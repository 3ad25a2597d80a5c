package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds how many tokens are remembered, at about 1 KB each.
const maxVerified = 10_000

// verified is a token whose signature and claims were found good.
type verified struct {
	principal *Principal
	// The keys, and which version of them, that it was checked with.
	keys    keySource
	version uint64
}

// cache remembers verified tokens by their hash, so that a client that sends
// one request after another pays for a public-key operation only once. Nobody
// without a good token can put anything in. Which tokens were refused is not
// remembered.
type cache struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]verified
}

// find gives the principal of a token that is still good: not past its end, and
// its issuer's keys are the same as when it was checked.
func (c *cache) find(sum [sha256.Size]byte, now time.Time) *Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.tokens[sum]
	if !ok {
		return nil
	}
	if !now.Before(found.principal.expiresAt) || found.version != found.keys.version() {
		delete(c.tokens, sum)
		return nil
	}
	return found.principal
}

func (c *cache) add(sum [sha256.Size]byte, token verified, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tokens) >= maxVerified {
		c.makeRoom(now)
	}
	c.tokens[sum] = token
}

// makeRoom looks at some tokens, drops those that have ended, and one at least.
func (c *cache) makeRoom(now time.Time) {
	looked, dropped := 0, 0
	for sum, token := range c.tokens { // in random order
		if looked++; !now.Before(token.principal.expiresAt) {
			delete(c.tokens, sum)
			dropped++
		} else if looked >= 8 {
			if dropped == 0 {
				delete(c.tokens, sum)
			}
			return
		}
	}
}
