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

// at notes where the next block is taken.
func (w *Window) at(l *log, index uint64) {
	if w.log != l.serial || w.next != index {
		w.log, w.next, w.had = l.serial, index, 0
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

// Compressible reports whether NextCompressed can have anything compressed: a filter, or
// that a gap is the end, makes what is delivered the subscription's own.
func (s *Subscription) Compressible() bool { return !s.feed.Filtered() && !s.labelled && !s.failOnGap }

// NextCompressed is Next with blocks that are compressed, which it lists in the batch,
// as far as there are any to be shared, and the rest in the codec's plain
// format. The window is that of the connection, and moves on. A block, like an
// event, is alone in its batch if it is larger than room.
func (s *Subscription) NextCompressed(b *Batch, p Codec, w *Window, room int) (more bool) {
	if !s.Compressible() {
		if p.PlainInWindow() {
			w.Break()
		}
		return s.Next(b, p.Plain(), room)
	}
	room += b.Bytes
	return s.next(b, func(c *chunk, i, n int) int {
		if i == n || b.Bytes >= room {
			return i
		}
		upTo := n
		if s.InStep() {
			blocks := c.compressed(p, n, s.cursorIn)
			if i < blocks.upTo() {
				k, start := blocks.find(i)
				if start == i {
					return s.takeCompressed(b, p, w, compressedRun{c, blocks, k}, i, n, room)
				}
				// In the midst of a block, whose end is not far.
				upTo = min(n, int(blocks[k].end))
			}
		}
		if p.PlainInWindow() {
			w.Break()
		}
		return s.takePlain(b, p.Plain(), c, i, upTo, room)
	})
}

// compressedRun is where in the blocks of a chunk a subscription stands.
type compressedRun struct {
	chunk  *chunk
	blocks compressedBlocks
	k      int
}

// takeCompressed takes blocks from entry i, where one begins, up to n.
func (s *Subscription) takeCompressed(b *Batch, p Codec, w *Window, at compressedRun, i, n, room int) int {
	c := at.chunk
	w.at(s.log, c.base+uint64(i))
	j := i
	// Another one, with a newer tip, may have made blocks that reach beyond n.
	// Those are taken once this one knows that tip too.
	for k := at.k; k < len(at.blocks) && int(at.blocks[k].end) <= n; k++ {
		block := at.blocks[k]
		taken := block.shared
		if w.had < int(block.window) {
			taken = c.compressedAlone(p, at.blocks, k)
		}
		if b.Bytes > 0 && b.Bytes+taken.len() > room {
			break
		}
		b.addCompressed(block, taken)
		for ; j < int(block.end); j++ {
			s.count(b, c.at(j))
		}
		w.took(c.base+uint64(j), int(block.content))
	}
	return j
}

// cursorIn is the text of the cursor in front of entry i of a chunk.
func (s *Subscription) cursorIn(c *chunk, i int) string {
	return s.log.markIn(c, i).cursor(s.stream.Name)
}

// addCompressed adds a block, to the last buffer where it lies right behind.
func (b *Batch) addCompressed(block *compressedBlock, p compressed) {
	if p.len() == 0 {
		return
	}
	last := len(b.Bufs) - 1
	if n := len(b.Compressed); n > 0 && b.Compressed[n-1].Buf == last && b.lastCompressed.page == p.page && b.lastCompressed.end == p.start {
		b.lastCompressed.end = p.end
		b.Bufs[last] = b.lastCompressed.bytes()
	} else {
		b.lastCompressed = p
		b.Bufs = append(b.Bufs, p.bytes())
		last++
	}
	b.Bytes += p.len()
	b.Compressed = append(b.Compressed, Compressed{Buf: last, Content: int(block.content), Bytes: p.len(), Sum: block.sum, Cursor: block.cursor})
}
