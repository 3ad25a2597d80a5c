package hub

import (
	"sort"
	"sync"
	"sync/atomic"
)

// compression is a chunk's blocks of one codec, made as far as somebody has asked.
type compression struct {
	mu   sync.Mutex // held by who makes more
	done atomic.Pointer[compressedBlocks]
	size atomic.Int64

	// Guarded by mu.
	page *page // the last one
	used int   // of it
}

// compressedBlocks are blocks one after another, from a chunk's first entry on. The
// first of them never change.
type compressedBlocks []*compressedBlock

// compressedBlock is a run of entries that is compressed together.
type compressedBlock struct {
	// Immutable.
	end     uint32 // entry behind it
	content uint32 // bytes
	window  uint32 // bytes of content in front of it that shared may refer to
	sum     uint64
	cursor  string // that it ends with
	shared  compressed

	// alone is the block without reference to anything, once somebody has
	// asked.
	alone atomic.Pointer[page]
}

// page is memory of fixed size, written behind what blocks lie in.
type page struct{ bytes []byte }

// compressed is where in a page a block lies.
type compressed struct {
	page       *page
	start, end uint32
}

func (p compressed) len() int { return int(p.end - p.start) }

func (p compressed) bytes() []byte { return p.page.bytes[p.start:p.end:p.end] }

// whole is what lies in a page of its own.
func (p *page) whole() compressed { return compressed{page: p, end: uint32(len(p.bytes))} }

// find gives the block that entry i is in, and where that begins.
func (blocks compressedBlocks) find(i int) (k, start int) {
	k = sort.Search(len(blocks), func(k int) bool { return int(blocks[k].end) > i })
	return k, blocks.start(k)
}

// start is the first entry of block k.
func (blocks compressedBlocks) start(k int) int {
	if k == 0 {
		return 0
	}
	return int(blocks[k-1].end)
}

// upTo is how many entries are in blocks.
func (blocks compressedBlocks) upTo() int { return blocks.start(len(blocks)) }
