package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"
)

func sumOf(i int) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := cache{tokens: make(map[[sha256.Size]byte]verified)}
	add := func(i int, ends time.Time) {
		c.add(sumOf(i), verified{principal: &Principal{expiresAt: ends}, keys: secretKey{}}, now)
	}
	for i := range 2 * maxVerified {
		add(i, now.Add(time.Hour))
	}
	if len(c.tokens) != maxVerified {
		t.Errorf("%d tokens are remembered", len(c.tokens))
	}
	last := 2*maxVerified - 1
	if c.find(sumOf(last), now) == nil {
		t.Error("the latest token is not remembered")
	}
	if c.find(sumOf(last), now.Add(time.Hour)) != nil {
		t.Error("a token is remembered past its end")
	}
	if len(c.tokens) != maxVerified-1 {
		t.Error("a token that has ended takes up room")
	}
}

// Tokens that have ended leave before those that have not.
func TestCacheDropsWhatHasEnded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := cache{tokens: make(map[[sha256.Size]byte]verified)}
	for i := range maxVerified {
		c.add(sumOf(i), verified{principal: &Principal{expiresAt: now.Add(time.Minute)}, keys: secretKey{}}, now)
	}
	later := now.Add(time.Hour)
	for i := range maxVerified {
		c.add(sumOf(maxVerified+i), verified{principal: &Principal{expiresAt: later.Add(time.Hour)}, keys: secretKey{}}, later)
	}
	kept := 0
	for i := range maxVerified {
		if c.find(sumOf(maxVerified+i), later) != nil {
			kept++
		}
	}
	if kept < maxVerified*8/10 {
		t.Errorf("only %d of %d living tokens were kept over dead ones", kept, maxVerified)
	}
}
