package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// zstdEvents is Zstandard (RFC 8878): a frame a block, and frames of raw blocks
// for what is a session's own. Frames refer to nothing in front of them.
type zstdEvents struct {
	eventBlocks
	encoder *zstd.Encoder
}

// newZstdEvents makes the coding. Its one encoder is for all, and keeps more
// than a megabyte for each of those that it lets compress at once.
func newZstdEvents(atOnce int) (zstdEvents, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(atOnce),
		zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(zstdWindow),
	)
	if err != nil {
		return zstdEvents{}, fmt.Errorf("make a zstd encoder: %w", err)
	}
	return zstdEvents{encoder: encoder}, nil
}

// zstdWindow is large enough for a block; browsers take up to 8 MiB (RFC 9659).
const zstdWindow = 128 << 10

func (zstdEvents) CodecSlot() int { return packZstdEvents }
func (zstdEvents) Window() int    { return 0 }

func (c zstdEvents) Pack(dst, _, content []byte) ([]byte, uint64) {
	return c.encoder.EncodeAll(content, dst), 0
}

func (zstdEvents) name() string { return "zstd" }

func (zstdEvents) appendHead(dst []byte) []byte { return dst }

// appendOwn makes a frame of one raw block (RFC 8878, sections 3.1.1.1 and
// 3.1.1.2).
func (zstdEvents) appendOwn(dst []byte, n int) []byte {
	const (
		magic         = 0xfd2fb528
		singleSegment = 1 << 5
		sizeOfFour    = 2 << 6
		last, raw     = 1, 0
	)
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, singleSegment|sizeOfFour)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	block := uint32(n)<<3 | raw<<1 | last
	return append(dst, byte(block), byte(block>>8), byte(block>>16))
}

func (zstdEvents) appendFlush(dst []byte) []byte { return dst }

func (zstdEvents) add(uint32, []byte) uint32                        { return 0 }
func (zstdEvents) join(uint32, uint64) uint32                       { return 0 }
func (zstdEvents) appendTail(dst []byte, _ uint32, _ uint64) []byte { return dst }
