package hub

import "sluice/hub/event"

// Next adds to the batch what the subscription has ready, in a format, up to room
// bytes; an event that is larger is alone in its batch. It reports whether there is
// more right away; if not, the owner will be notified by Pump. If events contain the
// feed's name, one event may exceed room.
func (s *Subscription) Next(b *Batch, f event.Format, room int) (more bool) {
	room += b.Bytes
	return s.next(b, func(c *chunk, i, n int) int {
		if i == n || b.Bytes >= room {
			return i
		}
		v, at, upTo := s.show(c, i, n)
		return i + s.takePlain(b, f, v, at, upTo, room) - at
	})
}

// takePlain takes entries as they are laid out in a format.
func (s *Subscription) takePlain(b *Batch, f event.Format, v *shown, i, n, room int) int {
	if i == n {
		return i
	}
	if s.labelled {
		return s.takeLabelled(b, f, v, i, n, room)
	}
	framed := v.framed(f, n)
	j := i
	for j < n && (j == i && b.Bytes == 0 || b.Bytes+int(framed.ends[j]-framed.start(i)) <= room) {
		s.count(b, v.of.at(j))
		j++
	}
	if j == i {
		return i
	}
	if bytes := framed.slice(i, j); len(bytes) > 0 {
		b.add(bytes)
	}
	return j
}

// takeLabelled takes entries with the feed's name in them.
func (s *Subscription) takeLabelled(b *Batch, f event.Format, v *shown, i, n, room int) int {
	for j := i; j < n; j++ {
		if j > i && b.Bytes >= room {
			return j
		}
		if e := v.of.at(j); e.kind != entryAdvance {
			b.add(s.feed.labelled(v, j, f))
			s.count(b, e)
		}
	}
	return n
}

// Take calls visit with the JSON text of up to records events and gaps, until these have
// a number of bytes or more, and reports whether there is more right away.
func (s *Subscription) Take(records, bytes int, visit func(isGap bool, body []byte)) (more bool) {
	// The callers are as many goroutines as there are requests, which nothing else keeps
	// from taking all processors.
	s.aside = true
	var b Batch
	return s.next(&b, func(c *chunk, i, n int) int {
		v, at, upTo := s.show(c, i, n)
		for ; at < upTo; i, at = i+1, at+1 {
			e := v.of.at(at)
			if e.kind == entryAdvance {
				continue
			}
			if records <= 0 || bytes <= 0 {
				return i
			}
			body := v.body(at)
			visit(e.kind == entryGap, body)
			s.count(&b, e)
			records, bytes = records-1, bytes-len(body)
		}
		return i
	})
}

// count counts what is delivered.
func (s *Subscription) count(b *Batch, e *entry) {
	switch e.kind {
	case entryRecord:
		b.Records++
	case entryGap:
		b.Gaps++
		s.stream.reported[e.reason].Add(1)
	case entryAdvance:
	}
}

// Compressible reports whether NextCompressed can use compressed blocks. It cannot
// if the subscription has a filter or ends at a gap, because its content is then its
// own.
func (s *Subscription) Compressible() bool { return !s.feed.Filtered() && !s.labelled && !s.failOnGap }

// NextCompressed is like Next, but adds compressed blocks, listed in the batch,
// where there are blocks to be shared, and the rest in the codec's plain format. The
// window is that of the connection and is updated. A block, like an event, is alone
// in its batch if it is larger than room.
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
		v, at, upTo := s.show(c, i, n)
		if at == upTo {
			return i
		}
		if v.of == c && s.InStep() {
			blocks := v.compressed(p, n, s.cursorIn)
			if i < blocks.upTo() {
				k, start := blocks.find(i)
				if start == i {
					return s.takeCompressed(b, p, w, compressedRun{v, blocks, k}, i, n, room)
				}
				// Within a block, whose end is near.
				upTo = min(upTo, int(blocks[k].end))
			}
		}
		if p.PlainInWindow() {
			w.Break()
		}
		return i + s.takePlain(b, p.Plain(), v, at, upTo, room) - at
	})
}

// compressedRun is the position of a subscription in the blocks of what it is shown of a
// chunk.
type compressedRun struct {
	shown  *shown
	blocks compressedBlocks
	k      int
}

// takeCompressed takes blocks up to n, from entry i, where a block begins.
func (s *Subscription) takeCompressed(b *Batch, p Codec, w *Window, at compressedRun, i, n, room int) int {
	v, c := at.shown, at.shown.of
	w.at(s.log.serial, v.under.Canonical(), c.base+uint64(i))
	j := i
	// Another subscription, with a newer tip, may have made blocks that reach beyond
	// n. Those are taken once this subscription has seen that tip too.
	for k := at.k; k < len(at.blocks) && int(at.blocks[k].end) <= n; k++ {
		block := at.blocks[k]
		taken := block.shared
		if w.had < int(block.window) {
			taken = v.compressedAlone(p, at.blocks, k)
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

// cursorIn returns the text of the cursor before entry i of a chunk.
func (s *Subscription) cursorIn(c *chunk, i int) string {
	return s.log.markIn(c, i).cursor(s.stream.Name)
}

// addCompressed adds a block: to the last buffer if it directly follows in memory.
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
