package schema_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/hub/schema"
)

// TestNumbersAreExact compares numbers as they are written with fractions of integers.
func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 4))
	digits := func(most int) string {
		b := make([]byte, 1+random.IntN(most))
		for i := range b {
			b[i] = byte('0' + random.IntN(10)*random.IntN(2)) // many zeros
		}
		return string(b)
	}
	number := func() string {
		text := ""
		if random.IntN(2) == 0 {
			text = "-"
		}
		if random.IntN(3) == 0 {
			text += "0"
		} else {
			text += fmt.Sprint(1+random.IntN(9)) + digits(12)
		}
		if random.IntN(2) == 0 {
			text += "." + digits(12)
		}
		if random.IntN(3) == 0 {
			text += fmt.Sprintf("%c%+d", "eE"[random.IntN(2)], random.IntN(41)-20)
		}
		return text
	}
	rat := func(text string) *big.Rat {
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		return r
	}
	multiples := 0
	for range 10_000 {
		a, b := number(), number()
		if random.IntN(4) == 0 {
			a = b + fmt.Sprintf("e%d", random.IntN(3)) // nearly the same
			if _, ok := new(big.Rat).SetString(a); !ok {
				continue
			}
		}
		x, y := rat(a), rat(b)
		order, isInteger := schema.Compare(a, b)
		if order != x.Cmp(y) || isInteger != x.IsInt() {
			t.Fatalf("seed %d: %s against %s: got %d, %v", seed, a, b, order, isInteger)
		}
		by := fmt.Sprintf("%d.%de%d", random.IntN(4), 1+random.IntN(99), random.IntN(5)-2)
		want := new(big.Rat).Quo(x, rat(by)).IsInt()
		if got := schema.Divides(by, a); got != want {
			t.Fatalf("seed %d: %s as a multiple of %s: got %v", seed, a, by, got)
		}
		if want && x.Sign() != 0 {
			multiples++
		}
	}
	if multiples < 40 {
		t.Errorf("seed %d: only %d multiples", seed, multiples)
	}
}
