package protobuf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"sluice/hub/jsonscan"
)

// stopped is the place after which nothing is read any more.
const stopped = -1

// encoder is the state of encoding one document.
type encoder struct {
	schema  *Schema
	in, out []byte
	left    int // how many steps may still be taken; below 0 it is too costly
	room    int // how many violations are told
	found   []finding
	more    bool
	seen    []uint64 // of the messages that are open, which of their fields were met, as bits
}

// finding is a violation at a place in the document.
type finding struct {
	at               int
	keyword, message string
}

// The keywords of violations are those of JSON Schema where they mean the same.
const (
	wrongType     = "type"
	wrongRange    = "range"
	wrongFormat   = "format"
	wrongSymbol   = "enum"
	wrongKey      = "propertyNames"
	unknownField  = "additionalProperties"
	twoFields     = "oneOf"
	missing       = "required"
	halfCharacter = "half_character"
	tooCostly     = "too_costly"
	tooLarge      = "too_large"
	tooDeep       = "too_deep"
)

var encoders = sync.Pool{New: func() any { return new(encoder) }}

func (e *encoder) release() {
	if cap(e.seen) > maxKept {
		return
	}
	*e = encoder{seen: e.seen[:0]}
	encoders.Put(e)
}

// spend takes steps, and reports whether there were enough.
func (e *encoder) spend(steps int) bool {
	e.left -= steps
	return e.left >= 0
}

// fail notes a violation, and reports whether there is room for another.
func (e *encoder) fail(at int, keyword, message string) bool {
	if len(e.found) == e.room {
		e.more = true
		return false
	}
	e.found = append(e.found, finding{at, keyword, message})
	return true
}

// wrong notes a violation by the value at a place, and returns the place after the value.
func (e *encoder) wrong(at int, keyword, message string) int {
	if !e.fail(at, keyword, message) {
		return stopped
	}
	end := jsonscan.EndOfValue(e.in, at)
	if !e.spend((end - at) / 16) {
		return stopped
	}
	return end
}

// content returns what a string says, and the place after it. If that has half of a character,
// it is a violation, and content is false.
func (e *encoder) content(at int) (text []byte, end int, ok bool) {
	end = jsonscan.EndOfValue(e.in, at)
	if !e.spend((end - at) / 16) {
		return nil, stopped, false
	}
	raw := e.in[at:end]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], end, true
	}
	unquoted, whole := jsonscan.Unquote(raw)
	if !whole {
		return nil, e.wrong(at, halfCharacter, `has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`), false
	}
	return []byte(unquoted), end, true
}

// tag appends the number and the wire type of a field.
func (e *encoder) tag(number protowire.Number, wire protowire.Type) {
	e.out = protowire.AppendTag(e.out, number, wire)
}

// open begins what is written after its size, and close ends it.
func (e *encoder) open() (begin int) {
	e.out = append(e.out, 0)
	return len(e.out)
}

func (e *encoder) close(begin int) {
	size := len(e.out) - begin
	if size < 0x80 {
		e.out[begin-1] = byte(size)
		return
	}
	var room [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(room[:], uint64(size))
	e.spend(size / 512) // what is moved once for each message around it
	e.out = append(e.out, room[:n-1]...)
	copy(e.out[begin+n-1:], e.out[begin:begin+size])
	copy(e.out[begin-1:], room[:n])
}

func (e *encoder) bytes(b []byte) { e.out = protowire.AppendBytes(e.out, b) }

// mark makes room to note which fields of a message were met, and then, which of its oneofs.
func (e *encoder) mark(m *message) (begin int) {
	begin = len(e.seen)
	for range (len(m.fields) + m.oneofs + 63) / 64 {
		e.seen = append(e.seen, 0)
	}
	return begin
}

func (e *encoder) met(begin, index int) bool { return e.seen[begin+index/64]&(1<<(index%64)) != 0 }
func (e *encoder) meet(begin, index int)     { e.seen[begin+index/64] |= 1 << (index % 64) }

// quoted shows a name of the schema.
func quoted(name string) string { return fmt.Sprintf("%.120q", name) }

// nameOf returns the name of a member.
func nameOf(raw []byte) (name []byte, ok bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	unquoted, ok := jsonscan.Unquote(raw)
	return []byte(unquoted), ok
}
