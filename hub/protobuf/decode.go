package protobuf

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// AppendJSON appends a value, which begins with the indexes of its message, as JSON of at most
// so many bytes.
func (s *Schema) AppendJSON(dst, value []byte, most int) ([]byte, error) {
	m, body, err := s.addressed(value)
	if err != nil {
		return dst, err
	}
	d, err := newDecoder(s, body, dst, most)
	if err != nil {
		return dst, err
	}
	defer d.release()
	d.entries = append(d.entries, entry{to: uint32(len(body))})
	if err := d.message(m, 0, 1, 0); err != nil {
		return dst, err
	}
	if len(d.out) > d.end {
		return dst, ErrTooLarge
	}
	return d.out, nil
}

// message shows a message, whose parts are entries: several parts are one message, as if they
// stood one after the other. Each message makes at least two bytes of JSON, so that the number
// of them is bounded by it.
func (d *decoder) message(m *message, low, high, depth int) error {
	if len(d.out) > d.end {
		return ErrTooLarge
	}
	begin := len(d.entries)
	if err := d.scan(m, low, high, depth); err != nil {
		return err
	}
	var err error
	if m.special != plain {
		err = d.special(m, begin, depth)
	} else {
		d.out = append(d.out, '{')
		err = d.fields(m, begin, depth)
		d.out = append(d.out, '}')
	}
	d.entries = d.entries[:begin]
	return err
}

// fields shows the fields of a message, whose entries are those since begin.
func (d *decoder) fields(m *message, begin, depth int) error {
	for low, end := begin, len(d.entries); low < end; {
		f, high := &m.fields[d.entries[low].field], low+1
		for high < end && d.entries[high].field == d.entries[low].field {
			high++
		}
		if !d.absent(f, low, high) {
			if d.out[len(d.out)-1] != '{' {
				d.out = append(d.out, ',')
			}
			d.out = append(d.out, f.json...)
			if err := d.field(f, low, high, depth); err != nil {
				return err
			}
		}
		low = high
	}
	return nil
}

// absent reports whether a field is not shown: an empty list, or a default value of a field of
// which it cannot be said whether it is there.
func (d *decoder) absent(f *field, low, high int) bool {
	switch last := d.entries[high-1]; {
	case f.object:
		return false
	case f.list:
		for _, e := range d.entries[low:high] {
			if !e.packed || e.from < e.to {
				return false
			}
		}
		return true
	case f.presence || f.message != nil:
		return false
	case f.wire == protowire.BytesType:
		return last.from == last.to
	default:
		return integerOf(f.kind, d.in[last.from:last.to]) == 0
	}
}

func (d *decoder) field(f *field, low, high, depth int) error {
	switch {
	case f.object:
		return d.object(f, low, high, depth)
	case f.list:
		return d.list(f, low, high, depth)
	case f.message != nil:
		return d.message(f.message, low, high, depth+1)
	}
	return d.scalar(f, d.entries[high-1].from, d.entries[high-1].to)
}

func (d *decoder) list(f *field, low, high, depth int) error {
	d.out = append(d.out, '[')
	for i := low; i < high; i++ {
		e := d.entries[i]
		for e.from < e.to || !e.packed {
			if d.out[len(d.out)-1] != '[' {
				d.out = append(d.out, ',')
			}
			if len(d.out) > d.end {
				return ErrTooLarge
			}
			switch {
			case f.message != nil:
				if err := d.message(f.message, i, i+1, depth+1); err != nil {
					return err
				}
			case e.packed:
				from, to, next, err := d.extent(int(e.from), int(e.to), f.number, f.wire, depth)
				if err != nil {
					return err
				}
				if err := d.scalar(f, uint32(from), uint32(to)); err != nil {
					return err
				}
				e.from = uint32(next)
				continue
			default:
				if err := d.scalar(f, e.from, e.to); err != nil {
					return err
				}
			}
			break
		}
	}
	d.out = append(d.out, ']')
	return nil
}

// object shows a map, ordered by its keys. Of entries with the same key the last one counts.
func (d *decoder) object(f *field, low, high, depth int) error {
	of, begin := &f.message.fields[0], len(d.keys)
	d.keys = slices.Grow(d.keys, high-low)
	for i := low; i < high; i++ {
		k := key{at: i}
		sub := len(d.entries)
		if err := d.scan(f.message, i, i+1, depth+1); err != nil {
			return err
		}
		if from, to := d.of(sub, 0); from < to {
			e := d.entries[to-1]
			if of.kind == protoreflect.StringKind {
				k.from, k.to = e.from, e.to
			} else {
				k.number = integerOf(of.kind, d.in[e.from:e.to])
			}
		}
		d.entries = d.entries[:sub]
		if !utf8.Valid(d.in[k.from:k.to]) {
			return errText
		}
		d.keys = append(d.keys, k)
	}
	keys := d.keys[begin:]
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(d.compare(of.kind, a, b), cmp.Compare(a.at, b.at)) })
	d.out = append(d.out, '{')
	for i, end := begin, len(d.keys); i < end; i++ {
		k := d.keys[i]
		if i+1 < end && d.compare(of.kind, k, d.keys[i+1]) == 0 {
			continue
		}
		if d.out[len(d.out)-1] != '{' {
			d.out = append(d.out, ',')
		}
		if err := d.member(f.message, k, depth+1); err != nil {
			return err
		}
	}
	d.out = append(d.out, '}')
	d.keys = d.keys[:begin]
	return nil
}

func (d *decoder) compare(kind protoreflect.Kind, a, b key) int {
	switch kind {
	case protoreflect.StringKind:
		return bytes.Compare(d.in[a.from:a.to], d.in[b.from:b.to])
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return cmp.Compare(a.number, b.number)
	}
	return cmp.Compare(int64(a.number), int64(b.number))
}

// member shows an entry of a map.
func (d *decoder) member(m *message, k key, depth int) error {
	if len(d.out) > d.end {
		return ErrTooLarge
	}
	name, value := &m.fields[0], &m.fields[1]
	if name.kind == protoreflect.StringKind {
		if err := d.text(d.in[k.from:k.to]); err != nil {
			return err
		}
	} else {
		before := len(d.out)
		d.out = append(d.out, '"')
		d.number(name, k.number)
		if d.out[before+1] == '"' { // one of 64 bits, which is shown as a string anyway
			d.out = append(d.out[:before], d.out[before+1:]...)
		} else {
			d.out = append(d.out, '"')
		}
	}
	d.out = append(d.out, ':')
	begin := len(d.entries)
	if err := d.scan(m, k.at, k.at+1, depth); err != nil {
		return err
	}
	low, high := d.of(begin, 1)
	var err error
	switch {
	case value.message != nil:
		err = d.message(value.message, low, high, depth+1)
	case low == high:
		d.zero(value)
	default:
		err = d.field(value, low, high, depth)
	}
	d.entries = d.entries[:begin]
	return err
}
