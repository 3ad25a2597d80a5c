package apikeys

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"testing"
)

func TestCachesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSlowChecks(1)
	for n := range maxPassed + 100 {
		var sum [sha256.Size]byte
		binary.BigEndian.PutUint64(sum[:], uint64(n))
		s.remember(sum)
		if _, ok := s.passed[sum]; !ok {
			t.Fatal("what has just passed is not remembered")
		}
	}
	if len(s.passed) != maxPassed {
		t.Errorf("%d secrets are remembered", len(s.passed))
	}
	all := make(map[string]int)
	for n := range 100 {
		makeRoom(all, 10)
		all[strconv.Itoa(n)] = n
	}
	if len(all) != 10 {
		t.Errorf("%d elements, want 10", len(all))
	}
}
