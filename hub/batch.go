package hub

// Batch gathers what is to be written.
type Batch struct {
	// Bufs are to be written one after the other. They must not be changed,
	// and can be kept.
	Bufs [][]byte
	// Bytes is their size, Records and Gaps what is in them.
	Bytes, Records, Gaps int
	// Compressed lists what of it is compressed, in order.
	Compressed []Compressed

	matches        []uint64
	lastCompressed compressed
	looked         int // chunks and blocks that were gone through
}

// lookAtOnce is how many chunks and blocks are gone through, of whatever little
// in them is to be delivered, before others have their turn.
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
