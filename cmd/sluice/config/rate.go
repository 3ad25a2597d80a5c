package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of records in an hour.
type Rate int64

// ByteRate is a number of bytes in an hour.
type ByteRate int64

// PerSecond returns the rate in a second.
func (r Rate) PerSecond() float64 { return float64(r) / time.Hour.Seconds() }

// PerSecond returns the rate in a second.
func (r ByteRate) PerSecond() float64 { return float64(r) / time.Hour.Seconds() }

// spans are the units of time of a rate, as parts of an hour.
var spans = []struct {
	name string
	per  int64
}{{"s", 3600}, {"m", 60}, {"h", 1}}

// ParseRate parses a number of records in a time: 100/s, 30/m, 10/h. 0 needs no time.
func ParseRate(text string) (Rate, error) {
	return parseRate[Rate](text, errRate, func(number string) (int64, error) {
		n, err := strconv.ParseUint(number, 10, 63)
		return int64(n), err
	})
}

// ParseByteRate parses a size in a time, such as 1MiB/s.
func ParseByteRate(text string) (ByteRate, error) {
	return parseRate[ByteRate](text, errByteRate, func(number string) (int64, error) {
		size, err := ParseSize(number)
		return int64(size), err
	})
}

func parseRate[R ~int64](text string, fault error, parse func(string) (int64, error)) (R, error) {
	if text == "0" {
		return 0, nil
	}
	number, span, _ := strings.Cut(text, "/")
	for _, unit := range spans {
		if unit.name != span {
			continue
		}
		n, err := parse(number)
		switch {
		case err != nil:
			return 0, fault
		case n > math.MaxInt64/unit.per:
			return 0, errors.New("is too large")
		}
		return R(n * unit.per), nil
	}
	return 0, fault
}

// String formats the rate so that ParseRate can parse it.
func (r Rate) String() string {
	return formatRate(int64(r), func(n int64) string { return strconv.FormatInt(n, 10) })
}

// String formats the rate so that ParseByteRate can parse it.
func (r ByteRate) String() string {
	return formatRate(int64(r), func(n int64) string { return Size(n).String() })
}

func formatRate(r int64, format func(int64) string) string {
	if r == 0 {
		return "0"
	}
	for _, unit := range spans {
		if r%unit.per == 0 {
			return format(r/unit.per) + "/" + unit.name
		}
	}
	return format(r) + "/h"
}

var (
	errRate     = errors.New("is not a rate: write a number of records and a time (s, m, h), such as 100/s or 30/m")
	errByteRate = errors.New("is not a rate: write a size and a time (s, m, h), such as 1MiB/s")
)
