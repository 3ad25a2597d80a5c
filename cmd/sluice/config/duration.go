package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration parses a duration such as 10s, 1h30m, 24h or 30d: numbers, each with
// a unit of ns, us, ms, s, m, h or d (24 hours). A bare 0 needs no unit. Negative
// durations and durations over 292 years are refused.
func ParseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	if text == "" || text[0] == '-' || text[0] == '+' {
		return 0, errDuration
	}
	// time.ParseDuration has no days. They come first and are whole numbers.
	var days time.Duration
	if count, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(count, 10, 32)
		if err != nil {
			return 0, errDuration
		}
		const most = (1<<63 - 1) / uint64(24*time.Hour)
		if n > most {
			return 0, fmt.Errorf("is more than %d days", most)
		}
		days, text = time.Duration(n)*24*time.Hour, rest
		if text == "" {
			return days, nil
		}
	}
	if !strings.ContainsAny(text[:1], "0123456789.") {
		return 0, errDuration
	}
	rest, err := time.ParseDuration(text)
	if err != nil || rest < 0 {
		return 0, errDuration
	}
	if days+rest < days {
		return 0, errDuration
	}
	return days + rest, nil
}

// FormatDuration formats a duration so that ParseDuration can parse it: whole days
// with d, the rest as in Go, without parts that are zero.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var errDuration = errors.New("is not a duration: write a number and a unit (ms, s, m, h, d), such as 10s or 30d")
