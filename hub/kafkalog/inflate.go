package kafkalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression codecs, the lowest three bits of a batch's attributes.
const (
	codecNone = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

var (
	errInflatesTooLarge = errors.New("the decompressed batch is larger than allowed")
	errUnknownCodec     = errors.New("unknown compression codec")
)

// inflater decompresses batches. What it returns is valid until reset.
type inflater struct {
	limit int // of one batch, in bytes

	// arena holds what has been decompressed since reset. When it is full, a new
	// arena replaces it, and the old one is garbage collected once no batch
	// refers to it.
	arena []byte

	src  bytes.Reader
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

func newInflater(limit int) *inflater { return &inflater{limit: limit} }

// reset invalidates all that was returned, to reuse the memory.
func (f *inflater) reset() {
	if cap(f.arena) > maxPooledBytes {
		f.arena = nil
	}
	f.arena = f.arena[:0]
}

// inflate decompresses src.
func (f *inflater) inflate(codec int, src []byte) ([]byte, error) {
	switch codec {
	case codecNone:
		return src, nil
	case codecGzip:
		f.src.Reset(src)
		if f.gzip == nil {
			f.gzip = new(gzip.Reader)
		}
		if err := f.gzip.Reset(&f.src); err != nil {
			return nil, fmt.Errorf("inflate gzip: %w", err)
		}
		return f.stream(f.gzip)
	case codecSnappy:
		return f.snappy(src)
	case codecLZ4:
		f.src.Reset(src)
		if f.lz4 == nil {
			f.lz4 = lz4.NewReader(nil)
		}
		f.lz4.Reset(&f.src)
		return f.stream(f.lz4)
	case codecZstd:
		return f.zstandard(src)
	}
	return nil, errUnknownCodec
}

// free returns the unused end of the arena, with room for at least n bytes.
func (f *inflater) free(n int) []byte {
	if cap(f.arena)-len(f.arena) < n {
		f.arena = make([]byte, 0, max(n, 2*cap(f.arena), 64<<10))
	}
	return f.arena[len(f.arena):len(f.arena):cap(f.arena)]
}

// keep makes out part of the arena. out was written into what free returned, or
// was allocated because it outgrew that.
func (f *inflater) keep(out []byte) []byte {
	room := f.arena[len(f.arena):cap(f.arena)]
	if len(out) > 0 && len(room) >= len(out) && &room[0] == &out[0] {
		f.arena = f.arena[:len(f.arena)+len(out)]
	} else if cap(out) > cap(f.arena) {
		f.arena = out
	}
	return out[:len(out):len(out)]
}

// stream reads all of r, up to the limit.
func (f *inflater) stream(r io.Reader) ([]byte, error) {
	out := f.free(4 << 10)
	idle := 0
	for {
		if len(out) == cap(out) {
			larger := make([]byte, len(out), min(2*cap(out), f.limit+1))
			copy(larger, out)
			out = larger
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if idle++; n > 0 {
			idle = 0
		}
		if len(out) > f.limit {
			return nil, errInflatesTooLarge
		}
		if errors.Is(err, io.EOF) {
			return f.keep(out), nil
		}
		if err != nil {
			return nil, fmt.Errorf("inflate: %w", err)
		}
		if idle == 100 {
			return nil, fmt.Errorf("inflate: %w", io.ErrNoProgress)
		}
	}
}

// xerial is the magic of the framing of Java's snappy library.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

// snappy decompresses a bare block, as librdkafka and Go clients write it, or
// blocks in xerial's framing, as Java does: 8 bytes of magic, two int32 versions,
// then blocks with an int32 length in front.
func (f *inflater) snappy(src []byte) ([]byte, error) {
	if len(src) < 16 || !bytes.HasPrefix(src, xerial) {
		out, err := f.block(f.free, src, f.limit)
		if err != nil {
			return nil, err
		}
		return f.keep(out), nil
	}
	total := 0
	for s := (scan{b: src[16:]}); len(s.b) > 0; {
		n, err := s2.DecodedLen(s.take(int(s.int32())))
		if s.bad {
			return nil, fmt.Errorf("inflate snappy: %w", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, fmt.Errorf("inflate snappy: %w", err)
		}
		if total += n; n > f.limit || total > f.limit {
			return nil, errInflatesTooLarge
		}
	}
	out := f.free(total)
	for s := (scan{b: src[16:]}); len(s.b) > 0; {
		block := s.take(int(s.int32()))
		rest := func(int) []byte { return out[len(out):len(out):cap(out)] }
		inflated, err := f.block(rest, block, f.limit)
		if err != nil {
			return nil, err
		}
		out = out[:len(out)+len(inflated)]
	}
	return f.keep(out), nil
}

func (f *inflater) block(room func(int) []byte, src []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, fmt.Errorf("inflate snappy: %w", err)
	}
	if n > limit {
		return nil, errInflatesTooLarge
	}
	dst := room(n)
	out, err := s2.Decode(dst[:n], src)
	if err != nil {
		return nil, fmt.Errorf("inflate snappy: %w", err)
	}
	return out, nil
}

// zstdWindow is the least memory limit that the decoder gets: producers write
// frames whose header asks for a window of this size, however small the frames
// are.
const zstdWindow = 8 << 20

func (f *inflater) zstandard(src []byte) ([]byte, error) {
	if f.zstd == nil {
		var err error
		f.zstd, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(f.limit, zstdWindow))))
		if err != nil {
			return nil, fmt.Errorf("inflate zstd: %w", err)
		}
	}
	var head zstd.Header
	room := 4 << 10
	if err := head.Decode(src); err == nil && head.HasFCS && head.FrameContentSize < uint64(f.limit) {
		room = int(head.FrameContentSize)
	}
	out, err := f.zstd.DecodeAll(src, f.free(min(room, 64*len(src)+1024)))
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) || len(out) > f.limit {
		return nil, errInflatesTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("inflate zstd: %w", err)
	}
	return f.keep(out), nil
}
