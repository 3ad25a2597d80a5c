package quota

import (
	"math"
	"time"
)

// bucket is a token bucket. Its level can be negative: a take that is larger than the
// burst needs a full bucket, and leaves a debt.
type bucket struct {
	level float64
	rate  float64 // in a second, 0 for a bucket that limits nothing
	burst float64
	at    time.Time // when it had the level
}

// rounding is a part of a token that a bucket may lack, so that errors of rounding refuse
// nobody who has waited as long as was said.
const rounding = 1e-6

// resize gives the bucket another rate and burst. What it holds stays, as far as there is
// room.
func (b *bucket) resize(rate, burst float64, now time.Time) {
	b.advance(now)
	if b.rate == 0 {
		b.level = burst
	}
	b.rate, b.burst = rate, burst
	b.level = min(b.level, burst)
}

// advance adds what has flown in.
func (b *bucket) advance(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.level = min(b.level+b.rate*passed.Seconds(), b.burst)
		b.at = now
	}
}

// wait returns how long it takes until n can be taken, 0 if that is now. The bucket must
// have been advanced.
func (b *bucket) wait(n float64) time.Duration {
	return b.until(min(n, b.burst))
}

// until returns how long it takes until the bucket has a level.
func (b *bucket) until(level float64) time.Duration {
	if b.rate == 0 || b.level >= level-rounding {
		return 0
	}
	seconds := (level - b.level) / b.rate
	return time.Duration(min(math.Ceil(seconds*float64(time.Second)), float64(maxWait)))
}

// maxWait bounds a wait, so that it does not overflow.
const maxWait = 365 * 24 * time.Hour

// take takes n, for which wait was 0.
func (b *bucket) take(n float64) {
	if b.rate > 0 {
		b.level -= n
	}
}

// full reports whether the bucket is as it was at first. It must have been advanced.
func (b *bucket) full() bool { return b.rate == 0 || b.level >= b.burst-rounding }
