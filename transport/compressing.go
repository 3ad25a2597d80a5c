package transport

import (
	"sluice/transport/compress"
	"sluice/transport/wire"
)

// compressedStep is stepBytes for compressed sessions. It is smaller because what a
// socket does not accept of it cannot be rewound.
const compressedStep = 16 << 10

// countCompressed counts what a step writes in shared blocks.
func (s *session) countCompressed(sc *scratch) {
	content, bytes := 0, 0
	for _, p := range sc.batch.Compressed {
		content += p.Content
		bytes += p.Bytes
	}
	s.server.metrics.compressed(s.dialect.protocol(), content, bytes)
}

// endsWithID reports whether the output ends with a block that already has an id.
func (sc *scratch) endsWithID() bool {
	return sc.endsCompressed() && wire.ShortID(sc.batch.Compressed[len(sc.batch.Compressed)-1].Cursor)
}

// endsCompressed reports whether the output ends with a block.
func (sc *scratch) endsCompressed() bool {
	n := len(sc.batch.Compressed)
	return n > 0 && sc.batch.Compressed[n-1].Buf == len(sc.batch.Bufs)-1
}

// compress makes the output part of the session's compressed stream.
func (s *session) compress(sc *scratch) {
	c := s.shares.stream
	bufs, compressed := sc.batch.Bufs, sc.batch.Compressed
	if c == nil || len(bufs) == 0 && !s.closing || c.ended {
		return
	}
	out := sc.wrapped[:0]
	if !c.begun {
		c.begun = true
		out = append(out, c.AppendHead(c.head))
		c.head = nil
	}
	for i := 0; i < len(bufs); {
		if len(compressed) > 0 && compressed[0].Buf == i {
			for ; len(compressed) > 0 && compressed[0].Buf == i; compressed = compressed[1:] {
				c.Join(compressed[0].Sum, compressed[0].Content)
			}
			out = append(out, bufs[i])
			i++
			continue
		}
		j := i + 1
		for j < len(bufs) && (len(compressed) == 0 || compressed[0].Buf != j) {
			j++
		}
		out = c.wrap(out, bufs[i:j], sc)
		i = j
	}
	if !sc.endsCompressed() {
		start := len(sc.arena)
		sc.arena = c.AppendFlush(sc.arena)
		out = append(out, sc.arena[start:])
	}
	if s.closing {
		c.ended = true
		start := len(sc.arena)
		sc.arena = c.AppendTail(sc.arena)
		out = append(out, sc.arena[start:])
	}
	clear(bufs)
	sc.batch.Bufs, sc.wrapped = out, bufs[:0]
}

// sendHead adds the head of the response, which is not compressed.
func (s *session) sendHead(sc *scratch, head []byte) {
	if s.shares != nil && s.shares.stream != nil {
		s.shares.stream.head = head
		return
	}
	s.sendRaw(sc, head)
}

// wrap appends the session's own bytes to out, as part of the compressed stream.
func (c *compressed) wrap(out, own [][]byte, sc *scratch) [][]byte {
	left, room := 0, 0
	for _, b := range own {
		left += len(b)
	}
	for _, b := range own {
		c.Add(b)
		for len(b) > 0 {
			if room == 0 {
				room = min(left, compress.MostOwn)
				start := len(sc.arena)
				sc.arena = c.AppendOwn(sc.arena, room)
				out = append(out, sc.arena[start:])
			}
			n := min(len(b), room)
			out = append(out, b[:n])
			b, room, left = b[n:], room-n, left-n
		}
	}
	return out
}
