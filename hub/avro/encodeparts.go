package avro

import (
	"encoding/binary"

	"sluice/hub/jsonscan"
)

// record encodes an object as a record. Its fields are appended in the order in which they
// come, and are moved if that is not the order of the schema.
func (e *encoder) record(n *node, i, depth int) (end int, ok bool) {
	start, base, before := len(e.out), len(e.fields), len(e.found)
	e.spend(len(n.of) / 8)
	for range n.of {
		e.fields = append(e.fields, span{})
	}
	ok = true
	at, next, inOrder := i+1, 0, true
	for {
		name, value, more := jsonscan.NextMember(e.doc, at)
		if at = value; !more || !e.spend(len(name)/16) {
			break
		}
		f := n.field(name, next)
		if f < 0 {
			ok = e.fail(finding{what: keywordUnknown, at: value})
			at = e.skip(value)
			continue
		}
		inOrder, next = inOrder && f == next, f+1
		from, fits := len(e.out), false
		at, fits = e.value(n.of[f], value, depth+1)
		e.fields[base+f] = span{from, len(e.out) + 1}
		ok = ok && fits
	}
	// Those that are missing come before what is wrong with the others.
	for f := range n.of {
		if e.fields[base+f].end > 0 {
			continue
		}
		inOrder = false
		if n.defaults[f] == nil {
			if ok = e.failBefore(before, finding{what: keywordRequired, at: i, of: n, n: f}); !e.spend(1) {
				break
			}
			before++
		}
	}
	if ok && !inOrder {
		e.arrange(n, start, base)
	}
	e.fields = e.fields[:base]
	return at, ok && e.left >= 0
}

// arrange puts fields into the order of the schema, and defaults in the place of those that
// are missing.
func (e *encoder) arrange(n *node, start, base int) {
	e.moved = e.moved[:0]
	for f, at := range e.fields[base : base+len(n.of)] {
		if at.end > 0 {
			e.moved = append(e.moved, e.out[at.from:at.end-1]...)
			continue
		}
		// A value of a few bytes can have any number of defaults.
		if !e.spend(1 + len(n.defaults[f])) {
			return
		}
		e.moved = append(e.moved, n.defaults[f]...)
	}
	e.spend(len(e.moved) / 16)
	e.out = append(e.out[:start], e.moved...)
}

// array encodes an array, as one block.
func (e *encoder) array(n *node, i, depth int) (end int, ok bool) {
	start, count, at := e.begin(), 0, i+1
	ok = true
	for e.left >= 0 {
		value, more := jsonscan.NextElement(e.doc, at)
		if at = value; !more {
			break
		}
		var fits bool
		at, fits = e.value(n.of[0], value, depth+1)
		ok = ok && fits
		count++
	}
	e.finish(start, count)
	return at, ok && e.left >= 0
}

// mapping encodes an object as a map, as one block.
func (e *encoder) mapping(n *node, i, depth int) (end int, ok bool) {
	start, count, at := e.begin(), 0, i+1
	ok = true
	for e.left >= 0 {
		name, value, more := jsonscan.NextMember(e.doc, at)
		if at = value; !more {
			break
		}
		e.spend(len(name) / 16)
		fits := e.appendText(name)
		if !fits {
			e.fail(finding{what: halfCharacter, at: value})
			at = e.skip(value)
		} else {
			at, fits = e.value(n.of[0], value, depth+1)
		}
		ok = ok && fits
		count++
	}
	e.finish(start, count)
	return at, ok && e.left >= 0
}

// begin begins a block, with a byte for its count.
func (e *encoder) begin() (start int) {
	e.out = append(e.out, 0)
	return len(e.out) - 1
}

// finish ends a block with so many items.
func (e *encoder) finish(start, count int) {
	if count == 0 {
		return // which is the end
	}
	var room [binary.MaxVarintLen64]byte
	size := binary.PutVarint(room[:], int64(count))
	if size > 1 {
		e.spend((len(e.out) - start) / 16)
		e.out = append(e.out, room[1:size]...)
		copy(e.out[start+size:], e.out[start+1:])
	}
	copy(e.out[start:], room[:size])
	e.out = append(e.out, 0)
}
