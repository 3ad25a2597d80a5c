package hub

// Batch collects what is to be written.
type Batch struct {
	// Bufs are to be written in order. They must not be changed, and can be kept.
	Bufs [][]byte
	// Bytes is the size of Bufs, Records and Gaps what they contain.
	Bytes, Records, Gaps int
	// Compressed lists the compressed blocks in Bufs, in order.
	Compressed []Compressed

	matches        []uint64
	lastCompressed compressed
	looked         int // chunks and blocks that were examined
}

// lookAtOnce is how many chunks and blocks are examined, however little of them is
// to be delivered, before other subscriptions have their turn.
const lookAtOnce = 4

// Reset empties the batch, keeping its memory.
func (b *Batch) Reset() {
	clear(b.Bufs)
	b.Bufs, b.Bytes, b.Records, b.Gaps = b.Bufs[:0], 0, 0, 0
	clear(b.Compressed)
	b.Compressed, b.lastCompressed = b.Compressed[:0], compressed{}
	b.looked = 0
}

func (b *Batch) add(bytes []byte) {
	b.Bytes += len(bytes)
	b.Bufs = append(b.Bufs, bytes)
}
