package avro

import (
	"bytes"
	"encoding/binary"
	"sync"

	"sluice/hub/jsonscan"
)

// encoder is the state of encoding one value. Its memory is used again for another.
type encoder struct {
	doc, out []byte
	// left is how many steps may still be taken; below 0 the result is tooCostly.
	left int
	// room is how many violations are told.
	room  int
	found []finding
	more  bool
	// quiet is above 0 while it is only tried whether a value fits.
	quiet  int
	fields []span // of the records that are open
	moved  []byte // fields in another order
	number number
}

// span is where something is in encoder.out. Of a field that was not met, end is 0.
type span struct{ from, end int }

var encoders = sync.Pool{New: func() any { return &encoder{} }}

// maxKept bounds the memory that an encoder keeps for the next value, in entries and bytes.
const maxKept = 4096

// release returns an encoder for use with other values.
func (e *encoder) release() {
	if cap(e.fields) > maxKept || cap(e.moved) > 16*maxKept || cap(e.number.Digits) > maxKept {
		return // it was made for an unusual value
	}
	e.doc, e.out = nil, nil
	clear(e.found[:cap(e.found)])
	e.found, e.fields, e.more, e.quiet = e.found[:0], e.fields[:0], false, 0
	encoders.Put(e)
}

// spend takes steps, and reports whether there were enough.
func (e *encoder) spend(steps int) bool {
	e.left -= steps
	return e.left >= 0
}

// fail reports a violation and returns false.
func (e *encoder) fail(f finding) bool {
	switch {
	case e.quiet > 0:
	case len(e.found) < e.room:
		e.found = append(e.found, f)
	default:
		e.more = true
	}
	return false
}

// failBefore is fail for a violation that comes before those from the given one on.
func (e *encoder) failBefore(at int, f finding) bool {
	if e.quiet > 0 || at >= e.room {
		return e.fail(f)
	}
	if len(e.found) == e.room {
		e.found, e.more = e.found[:e.room-1], true
	}
	e.found = append(e.found, finding{})
	copy(e.found[at+1:], e.found[at:])
	e.found[at] = f
	return false
}

// skip returns the end of a value that is not encoded.
func (e *encoder) skip(i int) int {
	end := jsonscan.EndOfValue(e.doc, i)
	e.spend((end - i) / 16)
	return end
}

// appendText appends a string by its text in JSON. It reports false for half of a character.
func (e *encoder) appendText(raw []byte) bool {
	text, ok := unquoted(raw)
	e.out = binary.AppendVarint(e.out, int64(len(text)))
	e.out = append(e.out, text...)
	return ok
}

// unquoted returns what a string says. It reports false if it has half of a character.
func unquoted(raw []byte) (text []byte, whole bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	s, ok := jsonscan.Unquote(raw)
	return []byte(s), ok
}
