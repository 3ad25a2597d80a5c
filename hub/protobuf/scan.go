package protobuf

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

var (
	errShort    = errors.New("the value ends early")
	errNumber   = errors.New("the value has an integer or a field number that is too large")
	errWire     = errors.New("the value has a wire type or an end of a group that cannot be there")
	errDeep     = errors.New("the value nests too deeply")
	errRequired = errors.New("the value lacks a field that is required")
	errHuge     = errors.New("the value is too large")
)

// entry is a value of a field, or several in packed form: where in the value it is.
type entry struct {
	from, to uint32
	field    int32 // its index in the message
	packed   bool
}

// decoder is the state of showing one value.
type decoder struct {
	schema  *Schema
	in, out []byte
	end     int     // how long out may become
	entries []entry // of the messages that are open, the outermost first
	keys    []key   // of the maps that are open
	cases   []caseOf
	scans   uint64
}

// key is the key of an entry of a map.
type key struct {
	number   uint64
	from, to uint32 // of a string
	at       int    // which entry
}

// caseOf is which field of a oneof is set, while entries are looked through from their end.
type caseOf struct {
	scan  uint64 // which look this belongs to
	field int32
	over  bool // what is before it is of another field, or older than one
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func newDecoder(s *Schema, in, out []byte, most int) (*decoder, error) {
	if len(in) > math.MaxInt32 {
		return nil, errHuge
	}
	d := decoders.Get().(*decoder)
	d.schema, d.in, d.out, d.end = s, in, out, len(out)+most
	if len(d.cases) < s.oneofs {
		d.cases = make([]caseOf, s.oneofs)
	}
	return d, nil
}

func (d *decoder) release() {
	if cap(d.entries) > maxKept || cap(d.keys) > maxKept || cap(d.cases) > maxKept {
		return
	}
	d.schema, d.in, d.out, d.entries, d.keys = nil, nil, nil, d.entries[:0], d.keys[:0]
	decoders.Put(d)
}

// scan finds the values of a message in its parts, which are entries, and adds them to the
// entries, by field and then in the order of the value. Unknown fields are left out.
func (d *decoder) scan(m *message, low, high, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	begin, sorted, last := len(d.entries), true, 0
	for i := low; i < high; i++ {
		at, end := int(d.entries[i].from), int(d.entries[i].to)
		for at < end {
			tag, n := varint(d.in[at:end])
			if n <= 0 {
				return errShort
			}
			number, wire := protowire.Number(tag>>3), protowire.Type(tag&7)
			if tag > math.MaxUint32 || number < protowire.MinValidNumber || number > protowire.MaxValidNumber {
				return errNumber
			}
			from, to, next, err := d.extent(at+n, end, number, wire, depth)
			if err != nil {
				return err
			}
			at = next
			index := m.find(number, last)
			if index < 0 {
				continue
			}
			f := &m.fields[index]
			packed := wire == protowire.BytesType && f.list && f.wire != protowire.StartGroupType
			if wire != f.wire && !packed {
				continue // like a field that is not known
			}
			sorted = sorted && index >= last
			last = index
			d.entries = append(d.entries, entry{uint32(from), uint32(to), int32(index), packed && wire != f.wire})
		}
	}
	if m.oneofs > 0 {
		d.choose(m, begin)
	}
	if !sorted {
		slices.SortFunc(d.entries[begin:], func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.field, b.field), cmp.Compare(a.from, b.from))
		})
	}
	for _, index := range m.required {
		if low, high := d.of(begin, index); low == high {
			return errRequired
		}
	}
	return nil
}

// extent returns where a value is that begins at some place, and what is behind it.
func (d *decoder) extent(at, end int, number protowire.Number, wire protowire.Type, depth int) (from, to, next int, err error) {
	switch wire {
	case protowire.VarintType:
		_, n := varint(d.in[at:end])
		if n <= 0 {
			return 0, 0, 0, errShort
		}
		return at, at + n, at + n, nil
	case protowire.Fixed32Type, protowire.Fixed64Type:
		size := 4
		if wire == protowire.Fixed64Type {
			size = 8
		}
		if size > end-at {
			return 0, 0, 0, errShort
		}
		return at, at + size, at + size, nil
	case protowire.BytesType:
		size, n := varint(d.in[at:end])
		if n <= 0 || size > uint64(end-at-n) {
			return 0, 0, 0, errShort
		}
		at += n
		return at, at + int(size), at + int(size), nil
	case protowire.StartGroupType:
		to, next, err := d.group(at, end, number, depth+1)
		return at, to, next, err
	}
	return 0, 0, 0, errWire
}

// group returns where the fields of a group end, and what is behind its end.
func (d *decoder) group(at, end int, number protowire.Number, depth int) (to, next int, err error) {
	if depth > maxDepth {
		return 0, 0, errDeep
	}
	for at < end {
		tag, n := varint(d.in[at:end])
		if n <= 0 {
			return 0, 0, errShort
		}
		within, wire := protowire.Number(tag>>3), protowire.Type(tag&7)
		if tag > math.MaxUint32 || within < protowire.MinValidNumber || within > protowire.MaxValidNumber {
			return 0, 0, errNumber
		}
		if wire == protowire.EndGroupType {
			if within != number {
				return 0, 0, errWire
			}
			return at, at + n, nil
		}
		if _, _, at, err = d.extent(at+n, end, within, wire, depth); err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, errShort
}

// choose leaves out what later fields of the same oneof replace.
func (d *decoder) choose(m *message, begin int) {
	d.scans++
	kept := len(d.entries)
	for i := len(d.entries) - 1; i >= begin; i-- {
		one := d.entries[i]
		if oneof := m.fields[one.field].oneof; oneof != noOneof {
			c := &d.cases[m.first+oneof]
			if c.scan != d.scans {
				*c = caseOf{scan: d.scans, field: one.field}
			}
			c.over = c.over || c.field != one.field
			if c.over {
				continue
			}
		}
		kept--
		d.entries[kept] = one
	}
	d.entries = d.entries[:begin+copy(d.entries[begin:], d.entries[kept:])]
}

// of returns the entries of a field, of which those since begin are sorted.
func (d *decoder) of(begin, index int) (low, high int) {
	list := d.entries[begin:]
	from, _ := slices.BinarySearchFunc(list, int32(index), func(e entry, to int32) int { return cmp.Compare(e.field, to) })
	to := from
	for to < len(list) && list[to].field == int32(index) {
		to++
	}
	return begin + from, begin + to
}

// varint returns an integer and its size, which is not positive if there is none.
func varint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}
