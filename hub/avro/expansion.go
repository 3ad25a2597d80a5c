package avro

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
)

// maxExpansion bounds the values and bytes that the defaults of a schema stand for.
const maxExpansion = 1e6

var errExpansion = errors.New("its defaults stand for too much: records have defaults that leave out fields with defaults, over many levels")

// checkExpansion returns an error for schemas whose defaults stand for too many values. The
// library makes all of them while it parses: two fields {} at each of forty levels, in a text of
// some kilobytes, would take all time and memory.
func checkExpansion(texts ...string) error {
	x := expansion{fields: map[string][]field{}, known: map[*any]float64{}, left: maxExpansion}
	for _, text := range texts {
		var tree any
		if json.Unmarshal([]byte(text), &tree) != nil {
			continue // which the library says
		}
		x.collect(tree, "")
	}
	total := 0.0
	for _, fields := range x.fields {
		for _, f := range fields {
			if f.value != nil {
				total += x.ofField(f)
			}
		}
	}
	if total > maxExpansion || x.left < 0 {
		return errExpansion
	}
	return nil
}

// field is a field of a record.
type field struct {
	name, namespace string
	of              any  // its type
	value           *any // its default, nil for none
}

// expansion counts the values that defaults stand for, and the bytes of texts in them.
type expansion struct {
	fields map[string][]field // of records, by their full names
	known  map[*any]float64
	left   int // how much may still be looked at
}

// collect finds the records in a type.
func (x *expansion) collect(of any, namespace string) {
	switch of := of.(type) {
	case []any:
		for _, branch := range of {
			x.collect(branch, namespace)
		}
	case map[string]any:
		for _, part := range []string{"type", "items", "values"} {
			x.collect(of[part], namespace)
		}
		list, ok := of["fields"].([]any)
		if !ok {
			return
		}
		full := fullName(of, namespace)
		if i := strings.LastIndexByte(full, '.'); i >= 0 {
			namespace = full[:i]
		}
		var fields []field
		for _, one := range list {
			f, ok := one.(map[string]any)
			if !ok {
				continue
			}
			made := field{namespace: namespace, of: typeOf(f)}
			made.name, _ = f["name"].(string)
			if value, given := f["default"]; given {
				made.value = &value
			}
			fields = append(fields, made)
			x.collect(made.of, namespace)
		}
		x.fields[full] = fields
	}
}

// typeOf returns the type of a field, which can be written into the field itself.
func typeOf(f map[string]any) any {
	switch f["type"] {
	case "record", "error", "array", "map":
		return f
	}
	return f["type"]
}

func fullName(of map[string]any, namespace string) string {
	name, _ := of["name"].(string)
	if own, ok := of["namespace"].(string); ok {
		namespace = own
	}
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}

// ofField counts what the default of a field stands for. One that contains itself is without
// end.
func (x *expansion) ofField(f field) float64 {
	if n, ok := x.known[f.value]; ok {
		return n
	}
	x.known[f.value] = math.Inf(1)
	n := x.count(*f.value, f.of, f.namespace)
	x.known[f.value] = n
	return n
}

// count counts what a value of a type stands for.
func (x *expansion) count(v, of any, namespace string) float64 {
	if x.left--; x.left < 0 {
		return math.Inf(1)
	}
	n := 1.0
	if text, ok := v.(string); ok {
		n += float64(len(text))
	}
	switch of := of.(type) {
	case string:
		for _, name := range []string{namespace + "." + of, of} {
			if fields, ok := x.fields[name]; ok {
				return x.record(v, fields)
			}
		}
	case []any:
		for _, branch := range of {
			n += x.count(v, branch, namespace)
		}
	case map[string]any:
		switch of["type"] {
		case "array":
			items, _ := v.([]any)
			for _, item := range items {
				n += x.count(item, of["items"], namespace)
			}
		case "map":
			values, _ := v.(map[string]any)
			for name, value := range values {
				n += float64(len(name)) + x.count(value, of["values"], namespace)
			}
		case "record", "error":
			return x.record(v, x.fields[fullName(of, namespace)])
		default:
			return x.count(v, of["type"], namespace)
		}
	}
	return n
}

// record counts what a record stands for, with the defaults of what it leaves out.
func (x *expansion) record(v any, fields []field) float64 {
	values, ok := v.(map[string]any)
	n := 1.0
	if !ok {
		return n
	}
	for _, f := range fields {
		if x.left--; x.left < 0 {
			return math.Inf(1)
		}
		if value, given := values[f.name]; given {
			n += x.count(value, f.of, f.namespace)
		} else if f.value != nil {
			n += x.ofField(f)
		}
	}
	return n
}
