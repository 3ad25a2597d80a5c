package transport

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/flate"

	"sluice/hub/event"
	"sluice/transport/wire"
)

// eventBlocks are server-sent events in blocks, each of which ends with an id.
type eventBlocks struct{}

func (eventBlocks) Plain() event.Format { return wire.Events{} }

// PlainInWindow is true: all that a stream has is in its window.
func (eventBlocks) PlainInWindow() bool { return true }

func (eventBlocks) BlockBytes() int { return 24000 }

func (eventBlocks) AppendContent(dst, body []byte, isGap bool) []byte {
	if isGap {
		return wire.Events{}.AppendGap(dst, body)
	}
	return wire.Events{}.AppendEvent(dst, body)
}

// AppendEnd gives the last event an id, in place of its empty line, but for one
// that is not to be written with every event.
func (eventBlocks) AppendEnd(content []byte, cursor string) []byte {
	if !shortID(cursor) {
		return content
	}
	return wire.AppendSSEID(content[:len(content)-1], cursor)
}

// gzipEvents is gzip (RFC 1952) of one member, as browsers pass over a second
// one. Its blocks are runs of deflate blocks (RFC 1951) that end on a byte, and
// what is a session's own is in stored blocks between them.
type gzipEvents struct{ eventBlocks }

func (gzipEvents) CodecSlot() int { return packGzipEvents }

// deflateWindow is how far the compressor looks back. More costs time for every
// block, and with records like each other gains nothing.
const deflateWindow = 2 << 10

func (gzipEvents) Window() int { return deflateWindow }

func (gzipEvents) Pack(dst, window, content []byte) ([]byte, uint64) {
	sum := uint64(crc32.ChecksumIEEE(content)) | uint64(crcShift(len(content)))<<32
	return appendDeflate(dst, window, content), sum
}

func (gzipEvents) appendHead(dst []byte) []byte {
	const deflated, unknownSystem = 8, 255
	return append(dst, 0x1f, 0x8b, deflated, 0, 0, 0, 0, 0, 0, unknownSystem)
}

func (gzipEvents) appendOwn(dst []byte, n int) []byte { return appendStored(dst, n) }

// appendFlush appends an empty stored block, by which compressors flush. Some
// decompressors, Go's among them, give out what they have when they meet one.
func (gzipEvents) appendFlush(dst []byte) []byte { return appendStored(dst, 0) }

func (gzipEvents) add(sum uint32, b []byte) uint32 { return crc32.Update(sum, crc32.IEEETable, b) }

func (gzipEvents) join(sum uint32, block uint64) uint32 {
	return crcTimes(sum, uint32(block>>32)) ^ uint32(block)
}

func (gzipEvents) appendTail(dst []byte, sum uint32, size uint64) []byte {
	dst = append(dst, 1, 0, 0, 0xff, 0xff) // the last block, empty
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return binary.LittleEndian.AppendUint32(dst, uint32(size))
}

// appendStored appends what stands in front of n bytes that are stored (RFC
// 1951, section 3.2.4), from a byte's first bit on.
func appendStored(dst []byte, n int) []byte {
	dst = append(dst, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	return binary.LittleEndian.AppendUint16(dst, ^uint16(n))
}

// appendDeflate appends content, compressed into blocks the last of which is an
// empty stored one, so that it ends on a byte. It may refer to the window.
func appendDeflate(dst, window, content []byte) []byte {
	w := bytes.NewBuffer(dst)
	if err := flate.StatelessDeflate(w, content, false, window); err != nil {
		panic("transport: memory cannot be written to: " + err.Error())
	}
	return w.Bytes()
}
