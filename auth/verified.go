package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds how many tokens are cached, at about 1 KB each plus their
// claims. A token with more than maxCachedClaims bytes of claims is verified at each
// use.
const (
	maxVerified     = 10_000
	maxCachedClaims = 4 << 10
)

// verified is a token whose signature and claims have been verified.
type verified struct {
	// token is the sum of the whole token. The cache sets it.
	token    [sha256.Size]byte
	identity *Identity
	// The keys, and their version, that it was verified with.
	keys    keySource
	version uint64
}

// sums are the SHA-256 sums of the signed part of a token and of the whole token.
type sums struct{ signed, token [sha256.Size]byte }

// cache holds verified tokens, so that a client that sends many requests costs a
// public-key operation only once. Nobody without a valid token can add an entry, and
// each token has one entry: the key is the sum of the signed part, because some
// signatures can be rewritten without the private key (ECDSA: n-s for s). Refused
// tokens are not cached.
type cache struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]verified
}

// find returns the identity of a token that is still valid: it has not expired, and
// its issuer's keys are the same as when it was verified.
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

// Remembered returns the number of cached tokens, each of which takes about 1 KB.
func (a *Authenticator) Remembered() int {
	verified := &a.tokens.Load().verified
	verified.mu.Lock()
	defer verified.mu.Unlock()
	return len(verified.tokens)
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

// makeRoom examines some entries and removes the expired ones, at least one entry.
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
