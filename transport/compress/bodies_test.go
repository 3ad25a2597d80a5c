package compress_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sluice/hub/hubtest/bounds"
	"sluice/transport/compress"
)

// gzipped returns a body in gzip.
func gzipped(t testing.TB, plain string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zstandard returns a body in zstd: as a whole, which says how large it is, or as an
// encoder writes it that does not know that.
func zstandard(t testing.TB, plain string, streamed bool, o ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	if !streamed {
		return w.EncodeAll([]byte(plain), nil)
	}
	var b bytes.Buffer
	w.Reset(&b)
	for len(plain) > 0 {
		n := min(len(plain), 1000)
		_, err = w.Write([]byte(plain[:n]))
		plain = plain[n:]
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInflateBody(t *testing.T) {
	t.Parallel()
	const most = 100_000
	for name, plain := range map[string]string{
		"nothing": "", "a little": `{"data":1}`, "as much as is allowed": strings.Repeat("a", most), "lines": strings.Repeat("line\n", 9999),
	} {
		for form, body := range map[string][]byte{
			"gzip":                    gzipped(t, plain),
			"gzip, two members":       append(gzipped(t, ""), gzipped(t, plain)...),
			"zstd":                    zstandard(t, plain, false),
			"zstd, streamed":          zstandard(t, plain, true),
			"zstd, the largest one":   zstandard(t, plain, true, zstd.WithWindowSize(compress.MaxZstdWindow)),
			"zstd, two frames":        append(zstandard(t, "", false, zstd.WithZeroFrames(true)), zstandard(t, plain, true)...),
			"zstd, frames to skip":    append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'x', 'y'}, zstandard(t, plain, true)...),
			"zstd, without checksums": zstandard(t, plain, true, zstd.WithEncoderCRC(false)),
		} {
			if len(body) == 0 {
				continue // the encoder writes nothing for nothing
			}
			got, err := compress.InflateBody(form[:4], body, most)
			if err != nil || string(got) != plain {
				t.Errorf("%s in %s: got %d bytes, %v", name, form, len(got), err)
			}
		}
	}
}

// TestInflateBodyBounds: what inflates to more than is allowed is refused, and takes no
// more memory than that.
//
//nolint:paralleltest // memory is measured
func TestInflateBodyBounds(t *testing.T) {
	const most = 64 << 10
	bomb := strings.Repeat("\x00", 64<<20)
	over := strings.Repeat("a", most+1)
	bodies := map[string][]byte{
		"gzip bomb":           gzipped(t, bomb),
		"gzip, a byte over":   gzipped(t, over),
		"gzip, by members":    bytes.Repeat(gzipped(t, over[:most/2]), 3),
		"zstd bomb":           zstandard(t, bomb, false),
		"zstd bomb, streamed": zstandard(t, bomb, true),
		"zstd, a byte over":   zstandard(t, over, false),
		"zstd, by frames":     bytes.Repeat(zstandard(t, over[:most/2], true), 3),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			if _, err := compress.InflateBody(name[:4], body, most); !errors.Is(err, compress.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = compress.InflateBody(name[:4], body, most)
			runtime.ReadMemStats(&after)
			// A block of zstd has up to 128 KiB.
			took := after.TotalAlloc - before.TotalAlloc
			if took > most+1<<20 {
				t.Errorf("it took %d bytes of memory for a bound of %d", took, most)
			}
		})
	}
}

func TestInflateBodyRefuses(t *testing.T) {
	t.Parallel()
	whole := `{"data":"` + strings.Repeat("abc", 99) + `"}`
	damaged := gzipped(t, whole)
	damaged[len(damaged)-5] ^= 1 // the checksum
	for name, body := range map[string][]byte{
		"gzip, nothing":          nil,
		"gzip, something else":   []byte(whole),
		"gzip, cut":              gzipped(t, whole)[:40],
		"gzip, damaged":          damaged,
		"gzip, something behind": append(gzipped(t, whole), "x"...),
		"zstd, nothing":          nil,
		"zstd, something else":   []byte(whole),
		"zstd, cut":              zstandard(t, whole, false)[:20],
		"zstd, something behind": append(zstandard(t, whole, false), "xyzw"...),
		"zstd, a huge window":    []byte("\x28\xb5\x2f\xfd\x00\x70\x09\x00\x00x"),
		"zstd, a size of 2^60":   {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0},
		"what, is that":          []byte(whole),
	} {
		if got, err := compress.InflateBody(name[:4], body, 1<<16); err == nil || len(got) > 0 {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
}

// FuzzInflateBody: what a body inflates to is bounded, and so is the memory for that; it has
// nothing of the body before.
func FuzzInflateBody(f *testing.F) {
	f.Add(true, gzipped(f, `{"data":1}`))
	f.Add(false, zstandard(f, `{"data":1}`, false))
	f.Add(false, zstandard(f, strings.Repeat("ab", 999), true))
	f.Fuzz(func(t *testing.T, isGzip bool, body []byte) {
		coding := compress.CodingZstd
		if isGzip {
			coding = compress.CodingGzip
		}
		const most = 5000
		before := gzipped(t, strings.Repeat(bounds.Foreign, 100))
		if !isGzip {
			before = zstandard(t, strings.Repeat(bounds.Foreign, 100), true)
		}
		if _, err := compress.InflateBody(coding, before, most); err != nil {
			t.Fatal(err)
		}
		var got []byte
		var err error
		costs := bounds.Limits{Bytes: 24 << 20, PerByte: 20, Time: 10 * time.Second}
		costs.Check(t, len(body), func() { got, err = compress.InflateBody(coding, body, most) })
		bounds.Own(t, got, body)
		if len(got) > most || err != nil && got != nil {
			t.Errorf("got %d bytes and %v", len(got), err)
		}
	})
}
