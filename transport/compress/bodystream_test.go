package compress_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"

	"sluice/hub/hubtest/bounds"
	"sluice/transport/compress"
)

// inflate reads a whole body.
func inflate(coding string, body io.Reader, limits compress.BodyLimits) (string, error) {
	r := compress.NewBodyReader(coding, body, limits)
	defer r.Close()
	plain, err := io.ReadAll(r)
	return string(plain), err
}

func TestBodyReader(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{`{"data":1}` + "\n", strings.Repeat("line\n", 99_999)} {
		for form, body := range map[string][]byte{
			"gzip":                  gzipped(t, plain),
			"gzip, two members":     append(gzipped(t, ""), gzipped(t, plain)...),
			"zstd":                  zstandard(t, plain, false),
			"zstd, streamed":        zstandard(t, plain, true),
			"zstd, the largest one": zstandard(t, plain, true, zstd.WithWindowSize(compress.MaxZstdWindow)),
			"zstd, frames to skip":  append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'x', 'y'}, zstandard(t, plain, true)...),
		} {
			held := 0
			limits := compress.BodyLimits{Free: len(plain), Ratio: 1, Reserve: func(n int) (func(), error) {
				held += n
				return func() { held -= n }, nil
			}}
			for _, r := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
				if got, err := inflate(form[:4], r, limits); err != nil || got != plain || held != 0 {
					t.Errorf("%s: got %d bytes, %v, %d held", form, len(got), err, held)
				}
			}
			if got, err := inflate(form[:4], bytes.NewReader(body), compress.BodyLimits{Free: len(plain) / 100, Ratio: 2}); len(plain) > 100 &&
				(!errors.Is(err, compress.ErrRatio) || len(got) > len(plain)/100+3*len(body)) {
				t.Errorf("%s: got %d bytes of %d, %v", form, len(got), len(body), err)
			}
		}
	}
}

// TestBodyReaderWindows: the window of a zstd body is accounted for before it is used, and
// frames that follow have no larger one.
func TestBodyReaderWindows(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat("0123456789abcdef", 1<<13) // 128 KiB
	small := zstandard(t, plain, true, zstd.WithWindowSize(64<<10))
	large := zstandard(t, plain, true, zstd.WithWindowSize(4<<20))
	reserved := 0
	limits := compress.BodyLimits{Reserve: func(n int) (func(), error) { reserved = n; return func() {}, nil }}
	for what, c := range map[string]struct {
		body []byte
		held int
		ok   bool
	}{
		"small": {small, 64 << 10, true}, "large": {large, 4 << 20, true}, "whole": {zstandard(t, plain[:50_000], false), 50_000, true},
		"small, small": {append(bytes.Clone(small), small...), 64 << 10, true},
		"small, large": {append(bytes.Clone(small), large...), 64 << 10, false},
		"too large":    {[]byte("\x28\xb5\x2f\xfd\x00\x70\x09\x00\x00x"), 0, false},
	} {
		reserved = 0
		if _, err := inflate("zstd", bytes.NewReader(c.body), limits); (err == nil) != c.ok || reserved != c.held {
			t.Errorf("%s: %d bytes are reserved, want %d, and the error is %v", what, reserved, c.held, err)
		}
	}
	none := errors.New("none is left")
	limits.Reserve = func(int) (func(), error) { return nil, none }
	if _, err := inflate("zstd", bytes.NewReader(small), limits); !errors.Is(err, none) {
		t.Errorf("got %v", err)
	}
}

// TestBodyReaderTellsWhoseFault: an error of the connection is told from one of the body.
func TestBodyReaderTellsWhoseFault(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection is broken")
	for _, coding := range []string{"gzip", "zstd"} {
		body := gzipped(t, "some text")
		if coding == "zstd" {
			body = zstandard(t, "some text", true)
		}
		for n := range body {
			r := compress.NewBodyReader(coding, io.MultiReader(bytes.NewReader(body[:n]), iotest.ErrReader(broken)), compress.BodyLimits{})
			if _, err := io.ReadAll(r); !errors.Is(err, broken) || r.Sent() == nil {
				t.Errorf("%s, broken after %d bytes: %v", coding, n, err)
			}
			r.Close()
			r = compress.NewBodyReader(coding, bytes.NewReader(body[:n]), compress.BodyLimits{})
			if _, err := io.ReadAll(r); err == nil || r.Sent() != nil {
				t.Errorf("%s, cut after %d bytes: %v, %v", coding, n, err, r.Sent())
			}
			r.Close()
		}
	}
}

// FuzzBodyReader: what a body inflates to is bounded, and so is the memory for that; it is what
// InflateBody makes of it, and nothing of the body before.
func FuzzBodyReader(f *testing.F) {
	f.Add(true, gzipped(f, `{"data":1}`))
	f.Add(false, zstandard(f, `{"data":1}`, false))
	f.Add(false, zstandard(f, strings.Repeat("ab", 999), true))
	f.Fuzz(func(t *testing.T, isGzip bool, body []byte) {
		coding := compress.CodingZstd
		if isGzip {
			coding = compress.CodingGzip
		}
		const free, ratio = 5000, 3
		before := gzipped(t, strings.Repeat(bounds.Foreign, 100))
		if !isGzip {
			before = zstandard(t, strings.Repeat(bounds.Foreign, 100), true)
		}
		if _, err := inflate(coding, bytes.NewReader(before), compress.BodyLimits{Free: free, Ratio: ratio}); err != nil {
			t.Fatal(err)
		}
		var got string
		var err error
		// A window of zstd has 8 MiB at most, and is there twice.
		costs := bounds.Limits{Bytes: 24 << 20, PerByte: 20, Time: 10 * time.Second}
		costs.Check(t, len(body), func() {
			got, err = inflate(coding, bytes.NewReader(body), compress.BodyLimits{Free: free, Ratio: ratio})
		})
		bounds.Own(t, []byte(got), body)
		if len(got) > free+ratio*len(body) {
			t.Errorf("got %d bytes of %d and %v", len(got), len(body), err)
		}
		whole, wholeErr := compress.InflateBody(coding, body, free)
		if wholeErr == nil && err == nil && string(whole) != got {
			t.Errorf("it inflates to %q and to %q", got, whole)
		}
	})
}
