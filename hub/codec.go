package hub

import "sluice/hub/event"

// Codec compresses what the subscribers of a wire format are sent, in blocks that
// are made once for all of them. Like an event.Format it must depend on nothing but
// its arguments.
//
// A block may refer to content that precedes it, as far back as Window. It is sent
// to subscribers that have received all of that content; other subscribers are sent
// the block compressed alone.
type Codec interface {
	// CodecSlot identifies the codec: a number below CodecSlots, fixed for each.
	CodecSlot() int
	// Plain is the format of what cannot be compressed for all subscribers: what is
	// sent to a subscription that is late, has a position of its own, or has a
	// filter.
	Plain() event.Format
	// PlainInWindow reports whether what is sent in the plain format comes between
	// blocks in the sense of Window.
	PlainInWindow() bool
	// Window is how many bytes of content before a block it may refer to.
	Window() int
	// BlockBytes is the maximum content of a block, unless a single event is larger.
	// 0 means one event per block.
	BlockBytes() int
	// AppendContent appends an event or a gap, given as JSON text, to the content of
	// a block.
	AppendContent(dst, body []byte, isGap bool) []byte
	// AppendEnd completes the content of a block. The cursor is that of a subscriber
	// that has received the block. AppendEnd is not called if BlockBytes is 0.
	AppendEnd(content []byte, cursor string) []byte
	// Pack appends content to dst, compressed, and returns a checksum of the content
	// if one is needed. Window is the content that precedes it, at most as long as
	// Window says.
	Pack(dst, window, content []byte) (compressed []byte, sum uint64)
}

// CodecSlots is the maximum number of codecs.
const CodecSlots = 3

// Window is the content that the client of a connection has received last. It
// belongs to the goroutine that writes to the connection.
type Window struct {
	// Forgets is set if the client keeps no content from block to block.
	Forgets bool

	log   uint64 // the serial number of the log, so that the log is not kept; 0 for none
	under string // identifies the redaction; empty for none
	next  uint64 // index after the last block
	had   int    // bytes of content received without interruption
}

// Break records that something else was sent between blocks.
func (w *Window) Break() { w.log, w.had = 0, 0 }

// at records where the next block begins: an index of the log with a serial number, under
// a redaction.
func (w *Window) at(serial uint64, under string, index uint64) {
	if w.log != serial || w.under != under || w.next != index {
		w.log, w.under, w.next, w.had = serial, under, index, 0
	}
}

// took records a block.
func (w *Window) took(next uint64, content int) {
	const plenty = 1 << 20
	w.next = next
	if !w.Forgets {
		w.had = min(w.had+content, plenty)
	}
}

// Compressed is a block in a batch.
type Compressed struct {
	// Buf is the number of the batch's buffer that the block is in. A buffer can
	// contain several blocks, one after another.
	Buf int
	// Content is the size of the content, Bytes the compressed size, and Sum the
	// checksum of the content that Pack has returned.
	Content, Bytes int
	Sum            uint64
	// Cursor is the cursor with which the block ends.
	Cursor string
}
