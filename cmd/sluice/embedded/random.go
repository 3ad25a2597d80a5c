package embedded

import (
	"math"
	"math/rand/v2"
	"time"
)

// mix combines several numbers into one, each bit of which depends on all of them
// (the finalizer of splitmix64).
func mix(numbers ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, n := range numbers {
		h ^= n
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// text hashes a text (FNV-1a).
func text(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// chance returns a random source that is the same for the same numbers.
func chance(numbers ...uint64) *rand.Rand {
	h := mix(numbers...)
	return rand.New(rand.NewPCG(h, h^0xda3e39cb94b95bdb)) //nolint:gosec // data of a demo
}

// fraction returns a number in [0, 1) that is the same for the same numbers.
func fraction(numbers ...uint64) float64 {
	return float64(mix(numbers...)>>11) / (1 << 53)
}

// wave is a smooth random curve between -1 and 1 that turns about once per unit of
// x.
func wave(seed uint64, x float64) float64 {
	whole := math.Floor(x)
	n := uint64(int64(whole))
	a, b := 2*fraction(seed, n)-1, 2*fraction(seed, n+1)-1
	ease := (1 - math.Cos((x-whole)*math.Pi)) / 2
	return a + (b-a)*ease
}

// poisson returns a random number of independent events with the given mean.
func poisson(r *rand.Rand, mean float64) int {
	if mean > 30 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	limit, n := math.Exp(-mean), 0
	for p := r.Float64(); p > limit; p *= r.Float64() {
		n++
	}
	return n
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// seconds returns a time as seconds since the Unix epoch.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// round rounds to a number of decimals.
func round(x float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(x*scale) / scale
}

// rota has several reporters take turns at a fixed interval, each at its own phase.
type rota struct {
	seed      uint64
	reporters int
	interval  time.Duration
}

// newRota distributes a rate over the reporters.
func newRota(seed uint64, reporters int, rate float64) rota {
	interval := time.Duration(float64(reporters) / rate * float64(time.Second))
	return rota{seed: seed, reporters: reporters, interval: max(interval, time.Microsecond)}
}

// each calls report for every turn in [from, to), with the number of the turn, which
// rises by one for each reporter.
func (r rota) each(from, to time.Time, report func(reporter int, turn int64, at time.Time)) {
	interval := int64(r.interval)
	for i := range r.reporters {
		phase := int64(fraction(r.seed, uint64(i)) * float64(interval))
		// The first turn at or after from.
		turn := (from.UnixNano() - phase + interval - 1) / interval
		for ; phase+turn*interval < to.UnixNano(); turn++ {
			report(i, turn, time.Unix(0, phase+turn*interval))
		}
	}
}
