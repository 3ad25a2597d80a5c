package hub

import "sluice/hub/event"

// Codec compresses what subscribers of a wire format are sent, in blocks that
// are made once for all of them. Like a Format it must depend on nothing but its
// arguments.
//
// A block may refer to content that precedes it, as far as Window goes. It is
// given to those who have had all of that, and to the others compressed alone.
type Codec interface {
	// CodecSlot tells the codecs apart: a number below CodecSlots, fixed for
	// each.
	CodecSlot() int
	// Plain is the format of what cannot be compressed for everybody: for those who
	// are late, have a position of their own, or a filter.
	Plain() event.Format
	// PlainInWindow reports whether what is sent in the plain format comes
	// between blocks in the sense of Window.
	PlainInWindow() bool
	// Window is how many bytes of content in front of a block it may refer to.
	Window() int
	// BlockBytes is how much content a block has at most, if not one event has
	// more. 0 stands for an event a block.
	BlockBytes() int
	// AppendContent appends an event or a gap, whose JSON text is given, to the
	// content of a block.
	AppendContent(dst, body []byte, isGap bool) []byte
	// AppendEnd completes the content of a block. The cursor is that of a
	// subscriber who has had the block. It is not asked where an event is a
	// block.
	AppendEnd(content []byte, cursor string) []byte
	// Pack appends content to dst, compressed, and returns a checksum of the
	// content if there is need of one. Window precedes the content; it is as
	// long as Window says or shorter.
	Pack(dst, window, content []byte) (compressed []byte, sum uint64)
}

// CodecSlots is how many codecs there can be.
const CodecSlots = 3

// Window is what the client of a connection has had last. It belongs to whoever
// writes to the connection.
type Window struct {
	// Forgets is set where the client keeps nothing from block to block.
	Forgets bool

	log  uint64 // the serial number of its log, which is not kept for it; 0 for none
	next uint64 // index behind the last block
	had  int    // bytes of content in unbroken order
}

// Break is for when something else has come between.
func (w *Window) Break() { w.log, w.had = 0, 0 }

// at notes where the next block is taken: in the log of a serial number.
func (w *Window) at(serial, index uint64) {
	if w.log != serial || w.next != index {
		w.log, w.next, w.had = serial, index, 0
	}
}

// took notes a block.
func (w *Window) took(next uint64, content int) {
	const plenty = 1 << 20
	w.next = next
	if !w.Forgets {
		w.had = min(w.had+content, plenty)
	}
}

// Compressed is a block in a batch.
type Compressed struct {
	// Buf is in which of the batch's buffers it is, several one after another
	// in one.
	Buf int
	// Content is how large it was, Bytes how large it is, and Sum is of the
	// content, as Pack has made it.
	Content, Bytes int
	Sum            uint64
	// Cursor is what it was ended with.
	Cursor string
}
