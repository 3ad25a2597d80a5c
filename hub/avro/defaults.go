package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/twmb/avro"
)

// maxDefaults bounds the defaults of a schema, in bytes and values: those of a record can
// have others in them, each several times.
const maxDefaults = 1 << 20

var (
	errDefault  = errors.New("it is not a value of the type")
	errDefaults = errors.New("the defaults are too large, with those in them")
)

// record is a record whose defaults are not encoded yet.
type record struct {
	node   *node
	fields []avro.SchemaField
}

// defaulting encodes defaults.
type defaulting struct {
	records map[*node]record
	left    int
}

// encodeDefaults encodes the defaults of all records. Schemas by which values are read need
// not have any that can be encoded.
func encodeDefaults(records []record) error {
	d := defaulting{records: map[*node]record{}, left: maxDefaults}
	for _, r := range records {
		d.records[r.node] = r
	}
	for _, r := range records {
		r.node.defaults = make([][]byte, len(r.fields))
		for i, f := range r.fields {
			if !f.HasDefault {
				r.node.required++
				continue
			}
			encoded, err := d.encode([]byte{}, r.node.of[i], f.Default, 0)
			if err != nil {
				return fmt.Errorf("the default of the field %.100q of %.100q cannot be used: %w", f.Name, r.node.name, err)
			}
			r.node.defaults[i] = encoded
		}
	}
	return nil
}

// encode appends a default, of which the library has made a Go value by its type.
func (d *defaulting) encode(dst []byte, n *node, v any, depth int) ([]byte, error) {
	if d.left--; d.left < 0 || depth > maxDepth {
		return nil, errDefaults
	}
	switch n.kind { //nolint:exhaustive // the others have no values in them
	case kindUnion:
		for i, branch := range n.of {
			if encoded, err := d.encode(binary.AppendVarint(dst, int64(i)), branch, v, depth+1); err == nil || d.left < 0 {
				return encoded, err
			}
		}
		return nil, errDefault
	case kindArray:
		return d.array(dst, n, v, depth)
	case kindMap:
		return d.mapping(dst, n, v, depth)
	case kindRecord:
		return d.record(dst, n, v, depth)
	}
	from := len(dst)
	dst, err := n.appendDefault(dst, v)
	d.left -= len(dst) - from
	return dst, err
}

func (d *defaulting) array(dst []byte, n *node, v any, depth int) ([]byte, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, errDefault
	}
	if len(items) > 0 {
		dst = binary.AppendVarint(dst, int64(len(items)))
	}
	for _, item := range items {
		var err error
		if dst, err = d.encode(dst, n.of[0], item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

func (d *defaulting) mapping(dst []byte, n *node, v any, depth int) ([]byte, error) {
	values, ok := v.(map[string]any)
	if !ok {
		return nil, errDefault
	}
	if len(values) > 0 {
		dst = binary.AppendVarint(dst, int64(len(values)))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		dst = append(binary.AppendVarint(dst, int64(len(name))), name...)
		d.left -= len(name)
		var err error
		if dst, err = d.encode(dst, n.of[0], values[name], depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

// record encodes a record. Its fields that are missing have their own defaults, and what is no
// field is passed over, as by other implementations.
func (d *defaulting) record(dst []byte, n *node, v any, depth int) ([]byte, error) {
	values, ok := v.(map[string]any)
	if !ok {
		return nil, errDefault
	}
	for i, f := range d.records[n].fields {
		value, given := values[f.Name]
		switch {
		case given:
		case f.HasDefault:
			value = f.Default
		default:
			return nil, errDefault
		}
		var err error
		if dst, err = d.encode(dst, n.of[i], value, depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendDefault appends a value that has no others in it.
func (n *node) appendDefault(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		if n.kind == kindNull {
			return dst, nil
		}
	case bool:
		if n.kind == kindBoolean && v {
			return append(dst, 1), nil
		}
		if n.kind == kindBoolean {
			return append(dst, 0), nil
		}
	case int32:
		if n.kind == kindInt {
			return binary.AppendVarint(dst, int64(v)), nil
		}
	case int64:
		if n.kind == kindLong {
			return binary.AppendVarint(dst, v), nil
		}
	case float32:
		if n.kind == kindFloat {
			return appendFloat(dst, n.kind, float64(v)), nil
		}
	case float64:
		if n.kind == kindDouble {
			return appendFloat(dst, n.kind, v), nil
		}
	case string:
		symbol, known := n.places[v]
		switch {
		case n.kind == kindString:
			return append(binary.AppendVarint(dst, int64(len(v))), v...), nil
		case n.kind == kindEnum && known:
			return binary.AppendVarint(dst, int64(symbol)), nil
		}
	case []byte:
		switch {
		case n.kind == kindBytes:
			return append(binary.AppendVarint(dst, int64(len(v))), v...), nil
		case n.kind == kindFixed && len(v) == n.size:
			return append(dst, v...), nil
		}
	}
	return nil, errDefault
}

// appendFloat appends a floating-point number. NaN has the bits that Java gives it.
func appendFloat(dst []byte, k kind, f float64) []byte {
	switch {
	case k == kindFloat && math.IsNaN(f):
		return binary.LittleEndian.AppendUint32(dst, 0x7fc00000)
	case k == kindFloat:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f)))
	case math.IsNaN(f):
		return binary.LittleEndian.AppendUint64(dst, 0x7ff8000000000000)
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}
