package config_test

import (
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "10s": 10 * time.Second, "1h30m": 90 * time.Minute, "24h": 24 * time.Hour,
		"30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "200ms": 200 * time.Millisecond,
		"106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "s", "d", "-1s", "+1s", "1d-1h", "1.5d", "1h1d", "10 s", "1w", "106752d", "106751d24h", "1d+1h", "99999999999999999999d", "NaN"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{
		"0": 0, "1": 1, "17B": 17, "64KiB": 64 << 10, "64 KiB": 64 << 10, "1MiB": 1 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
		"1kB": 1000, "1KB": 1000, "1MB": 1e6, "1GB": 1e9, "1TB": 1e12, "9223372036854775807": 1<<63 - 1,
	} {
		if got, err := config.ParseSize(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, int64(got), err, int64(want))
		}
	}
	for _, text := range []string{"", "KiB", "-1", "+1", "1.5MiB", "64K", "64kib", "1e3", "0x10", "1_000", "8388608TiB", "9223372036854775808"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"0", "10s", "30d", "1d12h", "1.5h", "-1s", "106751d", "1µs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := config.ParseDuration(text)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is negative: %v", text, d)
		}
		if again, err := config.ParseDuration(config.FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %v, written as %q and read back as %v, %v", text, d, config.FormatDuration(d), again, err)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"0", "64KiB", "1MB", "9223372036854775807", "8388607TiB", "1 B", "-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := config.ParseSize(text)
		if err != nil {
			return
		}
		if s < 0 {
			t.Fatalf("%q is negative: %d", text, int64(s))
		}
		if again, err := config.ParseSize(s.String()); err != nil || again != s {
			t.Fatalf("%q is %d, written as %q and read back as %d, %v", text, int64(s), s, int64(again), err)
		}
	})
}
