package hub

import (
	"sync"
	"unsafe"
)

const (
	firstPage = 2 << 10
	lastPage  = 64 << 10
)

// compressAtOnce is roughly how much content is compressed before other
// subscriptions have their turn.
const compressAtOnce = 64 << 10

// compressed returns the blocks of what is shown of a chunk, made for at least n entries by the first
// subscription that asks. A subscription at the tip then finds that a block ends
// there. If that is much to compress, only a part is made, and the next calls make
// the rest.
func (v *shown) compressed(p Codec, n int, cursor func(*chunk, int) string) compressedBlocks {
	slot := &v.compressions[p.CodecSlot()]
	pk := slot.Load()
	if pk == nil {
		slot.CompareAndSwap(nil, new(compression))
		pk = slot.Load()
	}
	if done := pk.done.Load(); done != nil && done.upTo() >= n {
		return *done
	}
	pk.mu.Lock()
	defer pk.mu.Unlock()
	var blocks compressedBlocks
	if done := pk.done.Load(); done != nil {
		blocks = *done
	}
	if blocks.upTo() >= n {
		return blocks
	}
	m := makers.Get().(*maker)
	defer m.release()
	m.begin(v, p, blocks)
	for made := 0; blocks.upTo() < n && made < compressAtOnce; {
		block := m.next(pk, blocks.upTo(), n, cursor)
		blocks = append(blocks, block)
		made += int(block.content)
	}
	// Readers of an older state look only at the blocks within its length.
	pk.done.Store(&blocks)
	return blocks
}

// compressedAlone returns block k compressed without reference to other content.
func (v *shown) compressedAlone(p Codec, blocks compressedBlocks, k int) compressed {
	block := blocks[k]
	if alone := block.alone.Load(); alone != nil {
		return alone.whole()
	}
	pk := v.compressions[p.CodecSlot()].Load()
	pk.mu.Lock()
	defer pk.mu.Unlock()
	alone := block.alone.Load()
	if alone == nil {
		m := makers.Get().(*maker)
		defer m.release()
		m.content = v.appendContent(m.content[:0], p, blocks, k)
		m.compressed, _ = p.Pack(m.compressed[:0], nil, m.content)
		alone = &page{bytes: append(make([]byte, 0, len(m.compressed)), m.compressed...)}
		pk.size.Add(int64(len(alone.bytes)))
		block.alone.Store(alone)
	}
	return alone.whole()
}

// appendContent appends the content of block k.
func (v *shown) appendContent(dst []byte, p Codec, blocks compressedBlocks, k int) []byte {
	start := len(dst)
	for i := blocks.start(k); i < int(blocks[k].end); i++ {
		dst = v.appendEntry(dst, p, i)
	}
	if p.BlockBytes() > 0 && len(dst) > start {
		dst = p.AppendEnd(dst, blocks[k].cursor)
	}
	return dst
}

// appendEntry appends the content of one entry.
func (v *shown) appendEntry(dst []byte, p Codec, i int) []byte {
	if kind := v.of.at(i).kind; kind != entryAdvance {
		dst = p.AppendContent(dst, v.body(i), kind == entryGap)
	}
	return dst
}

// maker is the memory used to make blocks.
type maker struct {
	shown      *shown
	codec      Codec
	content    []byte // window and block
	compressed []byte
}

var makers = sync.Pool{New: func() any { return new(maker) }}

// release returns the maker to the pool and drops its reference to the chunk.
func (m *maker) release() {
	m.shown, m.codec = nil, nil
	makers.Put(m)
}

// begin lays out the content to which the next block may refer.
func (m *maker) begin(v *shown, p Codec, blocks compressedBlocks) {
	m.shown, m.codec, m.content = v, p, m.content[:0]
	k := len(blocks)
	for have := 0; k > 0 && have < p.Window(); k-- {
		have += int(blocks[k-1].content)
	}
	for ; k < len(blocks); k++ {
		m.content = v.appendContent(m.content, p, blocks, k)
	}
}

// next makes the block from entry i on, up to entry n.
func (m *maker) next(pk *compression, i, n int, cursor func(*chunk, int) string) *compressedBlock {
	v, p := m.shown, m.codec
	if over := len(m.content) - p.Window(); over > 0 {
		m.content = m.content[:copy(m.content, m.content[over:])]
	}
	start := len(m.content)
	for first := true; i < n; i++ {
		before := len(m.content)
		m.content = v.appendEntry(m.content, p, i)
		if len(m.content) > before {
			if !first && len(m.content)-start > p.BlockBytes() {
				m.content = m.content[:before]
				break
			}
			first = false
		}
	}
	block := &compressedBlock{end: uint32(i), window: uint32(start)}
	if len(m.content) > start {
		if p.BlockBytes() > 0 {
			block.cursor = cursor(v.of, i)
			m.content = p.AppendEnd(m.content, block.cursor)
		}
		m.compressed, block.sum = p.Pack(m.compressed[:0], m.content[:start], m.content[start:])
		block.content = uint32(len(m.content) - start)
		block.shared = pk.place(m.compressed)
	}
	pk.size.Add(int64(unsafe.Sizeof(*block)) + int64(len(block.cursor)))
	return block
}

// place copies a compressed block to the page after the previous one, or to a new
// page where there is no room. The caller holds the lock.
func (pk *compression) place(compressedBytes []byte) compressed {
	n := len(compressedBytes)
	if pk.page == nil || n > len(pk.page.bytes)-pk.used {
		size := firstPage
		if pk.page != nil {
			size = min(2*len(pk.page.bytes), lastPage)
		}
		pk.page, pk.used = &page{bytes: make([]byte, max(size, n))}, 0
		pk.size.Add(int64(len(pk.page.bytes)))
	}
	start := pk.used
	pk.used += copy(pk.page.bytes[start:], compressedBytes)
	return compressed{page: pk.page, start: uint32(start), end: uint32(pk.used)}
}
