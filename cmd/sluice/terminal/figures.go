package terminal

import (
	"fmt"
	"strings"
	"time"
)

// Count returns a number of things: "1 gap", "2 gaps".
func Count[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Bytes returns a number of bytes in three digits or so, in powers of 1024 (IEC 80000-13).
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1<<10 && unit < 4 {
		value /= 1 << 10
		unit++
	}
	digits := 1
	if value >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f %ciB", digits, value, " KMGT"[unit])
}

// Span returns a time to a precision that suits it.
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// barWidth is the width of a bar, without its ends.
const barWidth = 20

// Bar returns a bar for a part of a whole, between 0 and 1, and the percentage.
func Bar(part float64) string {
	part = min(max(part, 0), 1)
	full := int(part * barWidth)
	return fmt.Sprintf("[%s%s] %3d %%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), int(part*100))
}

// Left returns how long the rest will take if it goes on as it went, "" while that is not
// known.
func Left(part float64, took time.Duration) string {
	if part <= 0 || part >= 1 || took < time.Second/2 {
		return ""
	}
	return Span(time.Duration(float64(took)*(1/part-1))) + " left"
}
