package hub

import (
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"
)

// packing is a chunk's blocks of one packing, made as far as somebody has asked.
type packing struct {
	mu   sync.Mutex // held by who makes more
	done atomic.Pointer[packedBlocks]
	size atomic.Int64

	// Guarded by mu.
	page *page // the last one
	used int   // of it
}

// packedBlocks are blocks one after another, from a chunk's first entry on. The
// first of them never change.
type packedBlocks []*packedBlock

// packedBlock is a run of entries that is packed together.
type packedBlock struct {
	// Immutable.
	end     uint32 // entry behind it
	content uint32 // bytes
	window  uint32 // bytes of content in front of it that shared may refer to
	sum     uint64
	cursor  string // that it ends with
	shared  packed

	// alone is the block without reference to anything, once somebody has
	// asked.
	alone atomic.Pointer[page]
}

// page is memory of fixed size, written behind what blocks lie in.
type page struct{ bytes []byte }

// packed is where in a page a block lies.
type packed struct {
	page       *page
	start, end uint32
}

func (p packed) len() int      { return int(p.end - p.start) }
func (p packed) bytes() []byte { return p.page.bytes[p.start:p.end:p.end] }

// whole is what lies in a page of its own.
func (p *page) whole() packed { return packed{page: p, end: uint32(len(p.bytes))} }

const (
	firstPage = 2 << 10
	lastPage  = 64 << 10
)

// find gives the block that entry i is in, and where that begins.
func (blocks packedBlocks) find(i int) (k, start int) {
	k = sort.Search(len(blocks), func(k int) bool { return int(blocks[k].end) > i })
	return k, blocks.start(k)
}

// start is the first entry of block k.
func (blocks packedBlocks) start(k int) int {
	if k == 0 {
		return 0
	}
	return int(blocks[k-1].end)
}

// packAtOnce is about how much content is packed before others have their turn.
const packAtOnce = 64 << 10

// packed gives the chunk's blocks, made for at least n entries, by whoever is
// first to ask. Who stands at the tip then finds a block's end there. Where that
// is much to make it is only part of it, and those who ask again make the rest.
func (c *chunk) packed(p Packing, n int, cursor func(*chunk, int) string) packedBlocks {
	slot := &c.packings[p.PackSlot()]
	pk := slot.Load()
	if pk == nil {
		slot.CompareAndSwap(nil, new(packing))
		pk = slot.Load()
	}
	if done := pk.done.Load(); done != nil && done.upTo() >= n {
		return *done
	}
	pk.mu.Lock()
	defer pk.mu.Unlock()
	var blocks packedBlocks
	if done := pk.done.Load(); done != nil {
		blocks = *done
	}
	if blocks.upTo() >= n {
		return blocks
	}
	m := makers.Get().(*maker)
	defer m.release()
	m.begin(c, p, blocks)
	for made := 0; blocks.upTo() < n && made < packAtOnce; {
		block := m.next(pk, blocks.upTo(), n, cursor)
		blocks = append(blocks, block)
		made += int(block.content)
	}
	// Readers of an older state look only at what precedes its length.
	pk.done.Store(&blocks)
	return blocks
}

// upTo is how many entries are in blocks.
func (blocks packedBlocks) upTo() int { return blocks.start(len(blocks)) }

// packedAlone gives block k without reference to anything.
func (c *chunk) packedAlone(p Packing, blocks packedBlocks, k int) packed {
	block := blocks[k]
	if alone := block.alone.Load(); alone != nil {
		return alone.whole()
	}
	pk := c.packings[p.PackSlot()].Load()
	pk.mu.Lock()
	defer pk.mu.Unlock()
	alone := block.alone.Load()
	if alone == nil {
		m := makers.Get().(*maker)
		defer m.release()
		m.content = c.appendContent(m.content[:0], p, blocks, k)
		m.packed, _ = p.Pack(m.packed[:0], nil, m.content)
		alone = &page{bytes: append(make([]byte, 0, len(m.packed)), m.packed...)}
		pk.size.Add(int64(len(alone.bytes)))
		block.alone.Store(alone)
	}
	return alone.whole()
}

// appendContent appends the content of block k.
func (c *chunk) appendContent(dst []byte, p Packing, blocks packedBlocks, k int) []byte {
	start := len(dst)
	for i := blocks.start(k); i < int(blocks[k].end); i++ {
		dst = c.appendEntry(dst, p, i)
	}
	if p.BlockBytes() > 0 && len(dst) > start {
		dst = p.AppendEnd(dst, blocks[k].cursor)
	}
	return dst
}

// appendEntry appends the content of one entry.
func (c *chunk) appendEntry(dst []byte, p Packing, i int) []byte {
	if kind := c.at(i).kind; kind != entryAdvance {
		dst = p.AppendContent(dst, c.body(i), kind == entryGap)
	}
	return dst
}

// maker is the memory of whoever makes blocks.
type maker struct {
	chunk   *chunk
	packing Packing
	content []byte // window and block
	packed  []byte
}

var makers = sync.Pool{New: func() any { return new(maker) }}

// release gives the memory back, and lets go of the chunk.
func (m *maker) release() {
	m.chunk, m.packing = nil, nil
	makers.Put(m)
}

// begin lays out what the next block may refer to.
func (m *maker) begin(c *chunk, p Packing, blocks packedBlocks) {
	m.chunk, m.packing, m.content = c, p, m.content[:0]
	k := len(blocks)
	for have := 0; k > 0 && have < p.Window(); k-- {
		have += int(blocks[k-1].content)
	}
	for ; k < len(blocks); k++ {
		m.content = c.appendContent(m.content, p, blocks, k)
	}
}

// next makes the block from entry i on, up to entry n.
func (m *maker) next(pk *packing, i, n int, cursor func(*chunk, int) string) *packedBlock {
	c, p := m.chunk, m.packing
	if over := len(m.content) - p.Window(); over > 0 {
		m.content = m.content[:copy(m.content, m.content[over:])]
	}
	start := len(m.content)
	for first := true; i < n; i++ {
		before := len(m.content)
		m.content = c.appendEntry(m.content, p, i)
		if len(m.content) > before {
			if !first && len(m.content)-start > p.BlockBytes() {
				m.content = m.content[:before]
				break
			}
			first = false
		}
	}
	block := &packedBlock{end: uint32(i), window: uint32(start)}
	if len(m.content) > start {
		if p.BlockBytes() > 0 {
			block.cursor = cursor(c, i)
			m.content = p.AppendEnd(m.content, block.cursor)
		}
		m.packed, block.sum = p.Pack(m.packed[:0], m.content[:start], m.content[start:])
		block.content = uint32(len(m.content) - start)
		block.shared = pk.place(m.packed)
	}
	pk.size.Add(int64(unsafe.Sizeof(*block)) + int64(len(block.cursor)))
	return block
}

// place puts what is packed behind what precedes it, where there is room. The
// caller holds the lock.
func (pk *packing) place(packedBytes []byte) packed {
	n := len(packedBytes)
	if pk.page == nil || n > len(pk.page.bytes)-pk.used {
		size := firstPage
		if pk.page != nil {
			size = min(2*len(pk.page.bytes), lastPage)
		}
		pk.page, pk.used = &page{bytes: make([]byte, max(size, n))}, 0
		pk.size.Add(int64(len(pk.page.bytes)))
	}
	start := pk.used
	pk.used += copy(pk.page.bytes[start:], packedBytes)
	return packed{page: pk.page, start: uint32(start), end: uint32(pk.used)}
}
