package hub

// Packing compresses what subscribers of a wire format are sent, in blocks that
// are made once for all of them. Like a Format it must depend on nothing but its
// arguments.
//
// A block may refer to content that precedes it, as far as Window goes. It is
// given to those who have had all of that, and to the others packed alone.
type Packing interface {
	// PackSlot tells the packings apart: a number below PackingSlots, fixed for
	// each.
	PackSlot() int
	// Plain is the format of what cannot be packed for everybody: for those who
	// are late, have a position of their own, or a filter.
	Plain() Format
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
	Pack(dst, window, content []byte) (packed []byte, sum uint64)
}

// PackingSlots is how many packings there can be.
const PackingSlots = 3

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

// Packed is a block in a batch.
type Packed struct {
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

// Packable reports whether NextPacked can have anything packed: a filter, or
// that a gap is the end, makes what is delivered the subscription's own.
func (s *Subscription) Packable() bool { return !s.feed.Filtered() && !s.labelled && !s.failOnGap }

// NextPacked is Next with blocks that are packed, which it lists in the batch,
// as far as there are any to be shared, and the rest in the packing's plain
// format. The window is that of the connection, and moves on. A block, like an
// event, is alone in its batch if it is larger than room.
func (s *Subscription) NextPacked(b *Batch, p Packing, w *Window, room int) (more bool) {
	if !s.Packable() {
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
		if s.own == nil && s.told == nil && s.late == nil && s.conflation == nil {
			blocks := c.packed(p, n, s.cursorIn)
			if i < blocks.upTo() {
				k, start := blocks.find(i)
				if start == i {
					return s.takePacked(b, p, w, packedRun{c, blocks, k}, i, n, room)
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

// packedRun is where in the blocks of a chunk a subscription stands.
type packedRun struct {
	chunk  *chunk
	blocks packedBlocks
	k      int
}

// takePacked takes blocks from entry i, where one begins, up to n.
func (s *Subscription) takePacked(b *Batch, p Packing, w *Window, at packedRun, i, n, room int) int {
	c := at.chunk
	w.at(s.log, c.base+uint64(i))
	j := i
	// Another one, with a newer tip, may have made blocks that reach beyond n.
	// Those are taken once this one knows that tip too.
	for k := at.k; k < len(at.blocks) && int(at.blocks[k].end) <= n; k++ {
		block := at.blocks[k]
		taken := block.shared
		if w.had < int(block.window) {
			taken = c.packedAlone(p, at.blocks, k)
		}
		if b.Bytes > 0 && b.Bytes+taken.len() > room {
			break
		}
		b.addPacked(block, taken)
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

// addPacked adds a block, to the last buffer where it lies right behind.
func (b *Batch) addPacked(block *packedBlock, p packed) {
	if p.len() == 0 {
		return
	}
	last := len(b.Bufs) - 1
	if n := len(b.Packed); n > 0 && b.Packed[n-1].Buf == last && b.lastPacked.page == p.page && b.lastPacked.end == p.start {
		b.lastPacked.end = p.end
		b.Bufs[last] = b.lastPacked.bytes()
	} else {
		b.lastPacked = p
		b.Bufs = append(b.Bufs, p.bytes())
		last++
	}
	b.Bytes += p.len()
	b.Packed = append(b.Packed, Packed{Buf: last, Content: int(block.content), Bytes: p.len(), Sum: block.sum, Cursor: block.cursor})
}
