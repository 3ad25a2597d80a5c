package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The content codings of bodies that clients send (RFC 9110, section 8.4.1; RFC 8878).
const (
	CodingGzip = "gzip"
	CodingZstd = "zstd"
)

// Codings is the value of an Accept-Encoding header that names them (RFC 9110, section
// 12.5.3).
const Codings = CodingGzip + ", " + CodingZstd

// ErrTooLarge means that a body inflates to more than is allowed.
var ErrTooLarge = errors.New("the body is too large once it is decompressed")

// MaxZstdWindow is the largest window of a zstd body, which is that of RFC 9659.
const MaxZstdWindow = 8 << 20

// gzipReaders inflate bodies.
var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// zstdBodies inflates whole bodies, as many at a time as there are processors: the others
// wait. What it inflates is its window, so that a window that is declared costs nothing.
var zstdBodies = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxWindow(MaxZstdWindow), zstd.WithDecodeAllCapLimit(true))
})

// InflateBody decompresses a body of a content coding. If it inflates to more than most
// bytes the error is ErrTooLarge, and no more memory than that has been used for it.
func InflateBody(coding string, body []byte, most int) ([]byte, error) {
	switch coding {
	case CodingGzip:
		return gunzipBody(body, most)
	case CodingZstd:
		return unzstdBody(body, most)
	}
	return nil, fmt.Errorf("inflate body: unknown coding %q", coding)
}

func gunzipBody(body []byte, most int) ([]byte, error) {
	r, ok := gzipReaders.Get().(*gzip.Reader)
	if !ok {
		return nil, errors.New("get inflater: it is of another type")
	}
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(body)); err != nil {
		return nil, fmt.Errorf("inflate gzip body: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	switch {
	case len(plain) > most:
		return nil, ErrTooLarge
	case err != nil:
		return nil, fmt.Errorf("inflate gzip body: %w", err)
	}
	return plain, nil
}

// unzstdBody inflates into a buffer that grows twofold, because the decoder is bounded by
// its size and bodies need not say how large they are.
func unzstdBody(body []byte, most int) ([]byte, error) {
	decoder, err := zstdBodies()
	if err != nil {
		return nil, fmt.Errorf("make inflater: %w", err)
	}
	if len(body) == 0 {
		return nil, fmt.Errorf("inflate zstd body: %w", io.ErrUnexpectedEOF)
	}
	for size := min(most, max(4*len(body), 4<<10)); ; size = min(most, 2*size) {
		plain, err := decoder.DecodeAll(body, make([]byte, 0, size))
		switch {
		case err == nil && len(plain) <= most:
			return plain, nil
		case err != nil && !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return nil, fmt.Errorf("inflate zstd body: %w", err)
		case size >= most:
			return nil, ErrTooLarge
		}
	}
}
