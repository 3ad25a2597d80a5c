package jsonscan_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"sluice/hub/jsonscan"
)

func TestDecimal(t *testing.T) {
	t.Parallel()
	var d jsonscan.Decimal
	for text, want := range map[string]string{
		"0": "0.e0", "-0": "0.e0", "0.000": "0.e0", "0e77": "0.e0",
		"1": "0.1e1", "-1": "-0.1e1", "1200": "0.12e4", "12.50": "0.125e2",
		"0.0012": "0.12e-2", "1e2": "0.1e3", "1.50E-3": "0.15e-2", "12e+10000": "0.12e10002",
	} {
		if !d.Set([]byte(text)) {
			t.Errorf("%s: the exponent is refused", text)
		}
		sign := ""
		if d.Negative {
			sign = "-"
		}
		if got := fmt.Sprintf("%s0.%se%d", sign, d.Digits, d.Exponent); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"1e10001", "1E-10001", "0e99999", "1e" + strings.Repeat("9", 100)} {
		if d.Set([]byte(text)) {
			t.Errorf("%s is accepted", text)
		}
		if _, ok := jsonscan.Exponent([]byte(text)); ok {
			t.Errorf("the exponent of %s is accepted", text)
		}
	}
	for text, want := range map[string]int{"0": 0, "12.5": 0, "1e5": 5, "1E+05": 5, "1.5e-7": -7, "-1e10000": 10000} {
		if got, ok := jsonscan.Exponent([]byte(text)); got != want || !ok {
			t.Errorf("the exponent of %s: got %d, %v", text, got, ok)
		}
	}
}

// TestDecimalIsExact compares decimals with fractions of integers.
func TestDecimalIsExact(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	var d jsonscan.Decimal
	for range 10_000 {
		text := fmt.Sprint(random.Int64N(1<<40) - 1<<39)
		if random.IntN(2) == 0 {
			text += fmt.Sprintf(".%06d", random.IntN(1e6))
		}
		if random.IntN(2) == 0 {
			text += fmt.Sprintf("%c%+d", "eE"[random.IntN(2)], random.IntN(41)-20)
		}
		want, _ := new(big.Rat).SetString(text)
		if !d.Set([]byte(text)) {
			t.Fatalf("seed %d: %s is refused", seed, text)
		}
		written := fmt.Sprintf("0.%s0e%d", d.Digits, d.Exponent)
		if d.Negative {
			written = "-" + written
		}
		if got, _ := new(big.Rat).SetString(written); got.Cmp(want) != 0 || d.IsInteger() != want.IsInt() {
			t.Fatalf("seed %d: %s is %s, an integer: %v", seed, text, written, d.IsInteger())
		}
		scaled := new(big.Rat).Mul(want, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(0, d.Places()))), nil)))
		if !scaled.IsInt() {
			t.Fatalf("seed %d: %s has more than %d places", seed, text, d.Places())
		}
	}
}
