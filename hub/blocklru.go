package hub

// blockList holds blocks in the order of their use, and their size in bytes. The zero
// value is empty.
type blockList struct {
	size           int
	newest, oldest *block
}

// touch marks a block as the most recently used.
func (l *blockList) touch(b *block) {
	if l.newest != b {
		l.unlink(b)
		l.link(b)
	}
}

// link adds a block as the most recently used.
func (l *blockList) link(b *block) {
	b.size = b.measure()
	l.size += b.size
	b.older, b.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = b
	} else {
		l.oldest = b
	}
	l.newest = b
}

// unlink removes a block.
func (l *blockList) unlink(b *block) {
	if b.newer != nil {
		b.newer.older = b.older
	} else {
		l.newest = b.older
	}
	if b.older != nil {
		b.older.newer = b.newer
	} else {
		l.oldest = b.newer
	}
	b.newer, b.older = nil, nil
	l.size -= b.size
	b.size = 0
}
