package jsonscan_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/hub/jsonscan"
)

// TestRepeatedNames checks objects of 2 to 60 fields, of which one may be there twice, with
// names that differ in one byte at most at any place: none is missed, and none invented.
func TestRepeatedNames(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	name := func(length, i int) string {
		b := bytes.Repeat([]byte("a"), length)
		if length > 0 {
			b[i%length] = byte('a' + i/length%26)
		}
		return string(b)
	}
	for range 5_000 {
		n := 2 + random.IntN(59)
		length := random.IntN(40)
		seen := map[string]bool{}
		var names []string
		for i := 0; len(names) < n; i++ {
			if i == length*26 {
				length++
				i = 0
			}
			if one := name(length, i); !seen[one] {
				seen[one] = true
				names = append(names, one)
			}
		}
		random.Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
		repeats := random.IntN(2) == 0
		if repeats {
			names[random.IntN(n-1)] = names[n-1]
		}
		shown := make([]string, n)
		for i, one := range names {
			shown[i] = fmt.Sprintf(`%q:{"%c":%d}`, one, 'a'+i%26, i)
		}
		// The same name, written in another way.
		shown[n-1] = strings.Replace(shown[n-1], "a", `\u0061`, 1)
		text := "{" + strings.Join(shown, ",") + "}"
		err := jsonscan.CheckNames([]byte(text), 0)
		found, ok := errors.AsType[*jsonscan.RepeatedNameError](err)
		if ok != repeats || repeats && found.Name != names[n-1] {
			t.Fatalf("seed %d: %s: %v, repeated %t", seed, text, err, repeats)
		}
	}
}
