package compress

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/flate"

	"sluice/hub/event"
	"sluice/transport/wire"
)

// eventBlocks implements the parts of a codec for server-sent events in blocks,
// each of which ends with an id.
type eventBlocks struct{}

// Plain implements hub.Codec.
func (eventBlocks) Plain() event.Format { return wire.Events{} }

// PlainInWindow is true: everything in a stream is in its window.
func (eventBlocks) PlainInWindow() bool { return true }

// BlockBytes implements hub.Codec.
func (eventBlocks) BlockBytes() int { return 24000 }

// AppendContent implements hub.Codec.
func (eventBlocks) AppendContent(dst, body []byte, isGap bool) []byte {
	if isGap {
		return wire.Events{}.AppendGap(dst, body)
	}
	return wire.Events{}.AppendEvent(dst, body)
}

// AppendEnd gives the last event an id, in place of its empty line, unless the
// cursor is too long to be written with every event.
func (eventBlocks) AppendEnd(content []byte, cursor string) []byte {
	if !wire.ShortID(cursor) {
		return content
	}
	return wire.AppendSSEID(content[:len(content)-1], cursor)
}

// Gzip is gzip (RFC 1952) with a single member, as browsers ignore a second one.
// Its blocks are runs of deflate blocks (RFC 1951) that end on a byte boundary,
// and a client's own bytes are in stored blocks between them.
type Gzip struct{ eventBlocks }

// CodecSlot implements hub.Codec.
func (Gzip) CodecSlot() int { return slotGzip }

// deflateWindow is how far the compressor looks back. A larger window costs time
// for every block, and gains nothing for records that are similar to each other.
const deflateWindow = 2 << 10

// Window implements hub.Codec.
func (Gzip) Window() int { return deflateWindow }

// Pack implements hub.Codec.
func (Gzip) Pack(dst, window, content []byte) ([]byte, uint64) {
	sum := uint64(crc32.ChecksumIEEE(content)) | uint64(crcShift(len(content)))<<32
	return appendDeflate(dst, window, content), sum
}

// Stream is a gzip stream of shared blocks and of bytes of its own. Its methods
// must be called in the order in which the data is sent.
type Stream struct {
	sum  uint32
	size uint64
}

// MostOwn is the maximum number of bytes that can follow one AppendOwn.
const MostOwn = 1<<16 - 1

// AppendHead appends the header of the stream.
func (*Stream) AppendHead(dst []byte) []byte {
	const deflated, unknownSystem = 8, 255
	return append(dst, 0x1f, 0x8b, deflated, 0, 0, 0, 0, 0, 0, unknownSystem)
}

// AppendOwn appends the header of n bytes of the stream's own, at most MostOwn,
// which must follow uncompressed and be passed to Add.
func (*Stream) AppendOwn(dst []byte, n int) []byte { return appendStored(dst, n) }

// Add adds bytes of the stream's own to its checksum and size.
func (s *Stream) Add(b []byte) {
	s.sum = crc32.Update(s.sum, crc32.IEEETable, b)
	s.size += uint64(len(b))
}

// Join adds a block to the checksum and size of the stream, by the checksum that
// Pack returned and the size of the block's content.
func (s *Stream) Join(block uint64, size int) {
	s.sum = crcTimes(s.sum, uint32(block>>32)) ^ uint32(block)
	s.size += uint64(size)
}

// AppendFlush appends an empty stored block, with which compressors flush. Some
// decompressors, including Go's, return what they have when they meet one.
func (*Stream) AppendFlush(dst []byte) []byte { return appendStored(dst, 0) }

// AppendTail appends the end of the stream.
func (s *Stream) AppendTail(dst []byte) []byte {
	dst = append(dst, 1, 0, 0, 0xff, 0xff) // the last block, empty
	dst = binary.LittleEndian.AppendUint32(dst, s.sum)
	return binary.LittleEndian.AppendUint32(dst, uint32(s.size))
}

// appendStored appends the header of n stored bytes (RFC 1951, section 3.2.4),
// starting at a byte boundary.
func appendStored(dst []byte, n int) []byte {
	dst = append(dst, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	return binary.LittleEndian.AppendUint16(dst, ^uint16(n))
}

// appendDeflate appends content compressed into blocks, the last of which is an
// empty stored one, so that it ends on a byte boundary. The blocks may refer to
// the window.
func appendDeflate(dst, window, content []byte) []byte {
	w := bytes.NewBuffer(dst)
	if err := flate.StatelessDeflate(w, content, false, window); err != nil {
		panic("compress: write to memory failed: " + err.Error())
	}
	return w.Bytes()
}
