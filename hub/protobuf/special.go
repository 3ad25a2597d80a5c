package protobuf

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

var (
	errTime  = errors.New("the value has a timestamp or a duration out of bounds")
	errValue = errors.New("the value has a google.protobuf.Value without a value, or with a number that JSON does not have")
	errMask  = errors.New("the value has a field mask with a path that cannot be shown")
)

// special shows a message that is not shown as its fields. Its entries are those since begin.
func (d *decoder) special(m *message, begin, depth int) error {
	switch m.special {
	case specialAny:
		return d.any(begin, depth)
	case specialTimestamp:
		return d.timestamp(d.integer(m, begin, 0), d.integer(m, begin, 1))
	case specialDuration:
		return d.duration(d.integer(m, begin, 0), d.integer(m, begin, 1))
	case specialFieldMask:
		return d.mask(begin)
	case specialStruct:
		low, high := d.of(begin, 0)
		return d.object(&m.fields[0], low, high, depth)
	case specialList:
		low, high := d.of(begin, 0)
		return d.list(&m.fields[0], low, high, depth)
	case specialValue:
		return d.value(m, begin, depth)
	}
	low, high := d.of(begin, 0) // of a wrapper
	if low == high {
		d.zero(&m.fields[0])
		return nil
	}
	return d.field(&m.fields[0], low, high, depth)
}

// integer returns the last value of a field, 0 without one.
func (d *decoder) integer(m *message, begin, index int) int64 {
	low, high := d.of(begin, index)
	if low == high {
		return 0
	}
	return int64(integerOf(m.fields[index].kind, d.in[d.entries[high-1].from:d.entries[high-1].to]))
}

// last returns the last value of a field of text or bytes.
func (d *decoder) last(begin, index int) []byte {
	low, high := d.of(begin, index)
	if low == high {
		return nil
	}
	return d.in[d.entries[high-1].from:d.entries[high-1].to]
}

func (d *decoder) timestamp(seconds, fraction int64) error {
	if seconds < minTimestamp || seconds > maxTimestamp || fraction < 0 || fraction >= nanos {
		return errTime
	}
	d.out = append(d.out, '"')
	d.out = time.Unix(seconds, 0).UTC().AppendFormat(d.out, "2006-01-02T15:04:05")
	d.fraction(fraction)
	d.out = append(d.out, `Z"`...)
	return nil
}

func (d *decoder) duration(seconds, fraction int64) error {
	if seconds < -maxDuration || seconds > maxDuration || fraction <= -nanos || fraction >= nanos || seconds > 0 && fraction < 0 || seconds < 0 && fraction > 0 {
		return errTime
	}
	d.out = append(d.out, '"')
	if seconds < 0 || fraction < 0 {
		d.out = append(d.out, '-')
		seconds, fraction = -seconds, -fraction
	}
	d.out = strconv.AppendInt(d.out, seconds, 10)
	d.fraction(fraction)
	d.out = append(d.out, `s"`...)
	return nil
}

// fraction shows the fraction of a second with 0, 3, 6 or 9 digits.
func (d *decoder) fraction(fraction int64) {
	if fraction == 0 {
		return
	}
	digits := strconv.Itoa(int(nanos + fraction))[1:]
	digits = strings.TrimSuffix(strings.TrimSuffix(digits, "000"), "000")
	d.out = append(append(d.out, '.'), digits...)
}

func (d *decoder) mask(begin int) error {
	d.out = append(d.out, '"')
	low, high := d.of(begin, 0)
	for i := low; i < high; i++ {
		path := d.in[d.entries[i].from:d.entries[i].to]
		if len(d.out)+len(path) > d.end {
			return ErrTooLarge
		}
		if i > low {
			d.out = append(d.out, ',')
		}
		if !isPath(path) {
			return errMask
		}
		for n := 0; n < len(path); n++ {
			c := path[n]
			if c == '_' {
				n++
				if n == len(path) || path[n] < 'a' || path[n] > 'z' {
					return errMask // it would not come back
				}
				c = path[n] - 'a' + 'A'
			} else if c >= 'A' && c <= 'Z' {
				return errMask
			}
			d.out = append(d.out, c)
		}
	}
	d.out = append(d.out, '"')
	return nil
}

func (d *decoder) value(m *message, begin, depth int) error {
	if begin == len(d.entries) {
		return errValue
	}
	index := int(d.entries[begin].field)
	low, high := d.of(begin, index)
	if index == valueNumber {
		v := math.Float64frombits(integerOf(protoreflect.DoubleKind, d.last(begin, index)))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errValue
		}
	}
	return d.field(&m.fields[index], low, high, depth)
}

// any shows a message of a type that is named with it. One of a type that the schema does not
// have is shown as its bytes.
func (d *decoder) any(begin, depth int) error {
	url, low, high := d.last(begin, 0), 0, 0
	if low, high = d.of(begin, 1); len(url) == 0 && len(d.last(begin, 1)) == 0 {
		d.out = append(d.out, "{}"...)
		return nil
	}
	if !utf8.Valid(url) {
		return errText
	}
	d.out = append(d.out, `{"@type":`...)
	if err := d.text(url); err != nil {
		return err
	}
	m := d.schema.messages[string(url[bytes.LastIndexByte(url, '/')+1:])]
	if m == nil {
		d.out = append(d.out, `,"@value":`...)
		f := field{kind: protoreflect.BytesKind}
		if low == high {
			d.zero(&f)
		} else if err := d.scalar(&f, d.entries[high-1].from, d.entries[high-1].to); err != nil {
			return err
		}
		d.out = append(d.out, '}')
		return nil
	}
	if low < high {
		low = high - 1 // the last one: bytes are not put together
	}
	if m.special != plain {
		d.out = append(d.out, `,"value":`...)
		if err := d.message(m, low, high, depth+1); err != nil {
			return err
		}
		d.out = append(d.out, '}')
		return nil
	}
	sub := len(d.entries)
	if err := d.scan(m, low, high, depth+1); err != nil {
		return err
	}
	err := d.fields(m, sub, depth+1)
	d.out = append(d.out, '}')
	return err
}
