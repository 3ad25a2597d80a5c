package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds how many tokens are remembered, at about 1 KB each and
// their claims, MaxClaimsBytes at most.
const maxVerified = 10_000

// verified is a token whose signature and claims were found good.
type verified struct {
	// token is the sum of the whole token. The cache sets it.
	token    [sha256.Size]byte
	identity *Identity
	// The keys, and which version of them, that it was checked with.
	keys    keySource
	version uint64
}

// sums are the SHA-256 sums of what of a token is signed, and of all of it.
type sums struct{ signed, token [sha256.Size]byte }

// cache remembers verified tokens, so that a client that sends one request after
// another pays for a public-key operation only once. Nobody without a good token
// can put anything in, and each takes up one entry: the key is the sum of what
// is signed, as some signatures can be written in another form without the
// private key (ECDSA: n-s for s). Which tokens were refused is not remembered.
type cache struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]verified
}

// find gives the identity of a token that is still good: not past its end, and
// its issuer's keys are the same as when it was checked.
func (c *cache) find(of sums, now time.Time) *Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.tokens[of.signed]
	if !ok || found.token != of.token {
		return nil
	}
	if !now.Before(found.identity.ExpiresAt) || found.version != found.keys.version() {
		delete(c.tokens, of.signed)
		return nil
	}
	return found.identity
}

// Remembered is how many tokens are, of which each takes about 1 KB.
func (a *Authenticator) Remembered() int {
	a.tokens.verified.mu.Lock()
	defer a.tokens.verified.mu.Unlock()
	return len(a.tokens.verified.tokens)
}

func (c *cache) add(of sums, token verified, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.tokens[of.signed]; !again && len(c.tokens) >= maxVerified {
		c.makeRoom(now)
	}
	token.token = of.token
	c.tokens[of.signed] = token
}

// makeRoom looks at some tokens, drops those that have ended, and one at least.
func (c *cache) makeRoom(now time.Time) {
	looked, dropped := 0, 0
	for sum, token := range c.tokens { // in random order
		if looked++; !now.Before(token.identity.ExpiresAt) {
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
