package compress

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrRatio means that a body inflates to too many times of what was sent.
var ErrRatio = errors.New("the body inflates to too many times its size")

// BodyReader decompresses a body while it arrives. It is used by one goroutine.
type BodyReader struct {
	coding string
	limits BodyLimits
	sent   sentReader
	plain  io.Reader
	pooled *gzip.Reader
	zstd   *zstd.Decoder

	inflated int64
	release  func()
	err      error
}

// BodyLimits bound what a BodyReader inflates.
type BodyLimits struct {
	// Free is how many bytes a body may inflate to, and Ratio how many more for each byte
	// that was sent. A Ratio of 0 is no bound.
	Free, Ratio int
	// Reserve accounts for the memory of a window before it is used; the error is
	// returned by Read. Nil accounts for nothing.
	Reserve func(bytes int) (release func(), err error)
}

// NewBodyReader returns the reader of a body of a content coding. It reads nothing yet.
func NewBodyReader(coding string, body io.Reader, limits BodyLimits) *BodyReader {
	return &BodyReader{coding: coding, limits: limits, sent: sentReader{body: body}}
}

// Read implements io.Reader. It returns what is inflated as soon as the client has
// flushed it.
func (r *BodyReader) Read(p []byte) (int, error) {
	if r.err == nil && r.plain == nil {
		r.err = r.open()
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.plain.Read(p)
	r.inflated += int64(n)
	if most := int64(r.limits.Free) + int64(r.limits.Ratio)*r.sent.bytes; r.limits.Ratio > 0 && r.inflated > most {
		n, err = 0, ErrRatio
	}
	if err != nil {
		// Only the end is passed on as it is: other errors are wrapped, those of the
		// connection too.
		if !errors.Is(err, io.EOF) && !errors.Is(err, ErrRatio) {
			err = fmt.Errorf("inflate %s body: %w", r.coding, err)
		}
		r.err = err
	}
	return n, err
}

// Close releases what the reader holds. The body is not closed.
func (r *BodyReader) Close() {
	if r.pooled != nil {
		gzipReaders.Put(r.pooled)
	}
	if r.zstd != nil {
		r.zstd.Close()
	}
	if r.release != nil {
		r.release()
	}
	r.pooled, r.zstd, r.release, r.plain = nil, nil, nil, nil
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
}

// Sent returns the error of the connection, nil for none: other errors are those of what
// the client has sent.
func (r *BodyReader) Sent() error { return r.sent.err }

// open reads the header of the body.
func (r *BodyReader) open() (err error) {
	switch r.coding {
	case CodingGzip:
		r.pooled, _ = gzipReaders.Get().(*gzip.Reader)
		// The reader takes no more than it needs from a reader of bytes.
		if err = r.pooled.Reset(bufio.NewReaderSize(&r.sent, 4<<10)); err == nil {
			r.plain = r.pooled
		}
	case CodingZstd:
		err = r.openZstd()
	default:
		err = fmt.Errorf("unknown coding %q", r.coding)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("inflate %s body: %w", r.coding, err)
	}
	return nil
}

// openZstd reserves the window that the first frame declares. Frames that follow cannot
// have a larger one. A frame that says nothing about it can have the largest.
func (r *BodyReader) openZstd() error {
	in := bufio.NewReaderSize(&r.sent, 4<<10)
	window := uint64(MaxZstdWindow)
	for n := 5; n <= zstd.HeaderMaxSize; n++ { // as few bytes as a whole body can have
		var head zstd.Header
		start, err := in.Peek(n)
		decoded := head.Decode(start)
		if decoded == nil && !head.Skippable {
			window = head.WindowSize
			if head.SingleSegment {
				window = head.FrameContentSize
			}
		}
		if !errors.Is(decoded, io.ErrUnexpectedEOF) {
			break // the decoder tells what is wrong
		}
		if err != nil {
			return err
		}
	}
	if window > MaxZstdWindow {
		return zstd.ErrWindowSizeExceeded
	}
	window = max(window, zstd.MinWindowSize)
	if r.limits.Reserve != nil {
		release, err := r.limits.Reserve(int(window))
		if err != nil {
			return err
		}
		r.release = release
	}
	var err error
	r.zstd, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window), zstd.WithDecodeBuffersBelow(0))
	if err != nil {
		return fmt.Errorf("make reader: %w", err)
	}
	r.plain = r.zstd
	return nil
}

// sentReader counts what a client has sent, and keeps the error of its connection.
type sentReader struct {
	body  io.Reader
	bytes int64
	err   error
}

// Read implements io.Reader.
func (r *sentReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.bytes += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
