package hub

import (
	"sort"
	"sync"
	"sync/atomic"
)

// compression is the blocks of a chunk for one codec, made as far as they were asked
// for.
type compression struct {
	mu   sync.Mutex // held while more blocks are made
	done atomic.Pointer[compressedBlocks]
	size atomic.Int64

	// Guarded by mu.
	page *page // the last one
	used int   // bytes of it
}

// compressedBlocks are consecutive blocks, from a chunk's first entry on. Blocks
// once made never change.
type compressedBlocks []*compressedBlock

// compressedBlock is a run of entries that are compressed together.
type compressedBlock struct {
	// Immutable.
	end     uint32 // the entry after it
	content uint32 // bytes
	window  uint32 // bytes of content before it to which shared may refer
	sum     uint64
	cursor  string // with which it ends
	shared  compressed

	// alone is the block without reference to other content, once it was asked for.
	alone atomic.Pointer[page]
}

// page is memory of fixed size that is filled with blocks from its beginning.
type page struct{ bytes []byte }

// compressed is the location of a block in a page.
type compressed struct {
	page       *page
	start, end uint32
}

func (p compressed) len() int { return int(p.end - p.start) }

func (p compressed) bytes() []byte { return p.page.bytes[p.start:p.end:p.end] }

// whole returns the block that fills the page.
func (p *page) whole() compressed { return compressed{page: p, end: uint32(len(p.bytes))} }

// find returns the block that contains entry i, and the block's first entry.
func (blocks compressedBlocks) find(i int) (k, start int) {
	k = sort.Search(len(blocks), func(k int) bool { return int(blocks[k].end) > i })
	return k, blocks.start(k)
}

// start returns the first entry of block k.
func (blocks compressedBlocks) start(k int) int {
	if k == 0 {
		return 0
	}
	return int(blocks[k-1].end)
}

// upTo returns the number of entries in blocks.
func (blocks compressedBlocks) upTo() int { return blocks.start(len(blocks)) }
