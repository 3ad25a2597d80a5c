package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// shape is how a field is written in YAML.
type shape int

const (
	scalar    shape = iota // one value
	texts                  // a list of values
	textTable              // values by names that the user chooses
	section                // fields by their names
	sections               // a list of sections
	table                  // sections by names that the user chooses
)

// node is a field of the configuration, read from the tags of its struct.
type node struct {
	name  string
	index []int // of the field in its section's struct
	shape shape
	typ   reflect.Type // of one value, if the shape is scalar, texts or textTable
	// optional sections are nil if they are omitted.
	optional bool
	// isSwitch sections can also be written as true, for their defaults, or false.
	isSwitch bool

	value    string // default
	hasValue bool
	unit     string
	rules    string
	doc      string

	// fields of a section, or of each element of sections and table.
	fields []*node
}

// schema is the tree of Config.
var schema = sync.OnceValue(func() *node {
	return &node{shape: section, fields: fieldsOf(reflect.TypeFor[Config](), nil)}
})

// field finds a field by its exact name.
func (n *node) field(name string) *node {
	for _, f := range n.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// names lists the names of the fields.
func (n *node) names() []string {
	names := make([]string, len(n.fields))
	for i, f := range n.fields {
		names[i] = f.name
	}
	return names
}

// find finds a field by the path of a fault, which also contains names of table
// entries and indexes into lists.
func find(path string) *node {
	n, entry := schema(), false
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case (n.shape == table || n.shape == sections) && !entry:
			entry = true
		case n.shape == section || entry:
			if n, entry = n.field(part), false; n == nil {
				return nil
			}
		}
	}
	return n
}

// settable finds a field that can be set by its path, or returns why it cannot.
func settable(path string) (n *node, problem string) {
	n = schema()
	entry, at := false, ""
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case n.shape == table && !entry:
			entry = true
		case n.shape == section || entry:
			child := n.field(part)
			if child == nil {
				return nil, unknown(join(at, part), part, n)
			}
			n, entry = child, false
		default:
			return nil, "unknown key: " + at + " has no fields that can be set"
		}
		at = join(at, part)
	}
	if entry {
		return nil, "set one of the fields of this section"
	}
	return n, ""
}

// fieldsOf returns the fields of a struct, which is embedded in that of a section at an
// index, or is the section's own.
func fieldsOf(t reflect.Type, at []int) []*node {
	var fields []*node
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("koanf"), ",")
		switch {
		case option == "squash":
			fields = append(fields, fieldsOf(f.Type, append(slices.Clone(at), i))...)
			continue
		case name == "-":
			continue
		}
		n := &node{name: name, index: append(slices.Clone(at), i), unit: f.Tag.Get("unit"), rules: f.Tag.Get("validate"), doc: f.Tag.Get("doc")}
		n.value, n.hasValue = f.Tag.Lookup("default")
		n.isSwitch = f.Tag.Get("switch") == "true"
		n.describe(f.Type)
		fields = append(fields, n)
	}
	return fields
}

func (n *node) describe(t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		n.optional, t = true, t.Elem()
	}
	switch {
	case isSection(t):
		n.shape, n.fields = section, fieldsOf(t, nil)
	case t.Kind() == reflect.Slice && isSection(t.Elem()):
		n.shape, n.fields = sections, fieldsOf(t.Elem(), nil)
	case t.Kind() == reflect.Map && isSection(t.Elem()):
		n.shape, n.fields = table, fieldsOf(t.Elem(), nil)
	case t.Kind() == reflect.Slice:
		n.shape, n.typ = texts, t.Elem()
	case t.Kind() == reflect.Map:
		n.shape, n.typ = textTable, t.Elem()
	default:
		n.shape, n.typ = scalar, t
	}
}

// isSection distinguishes structs with fields of their own from structs that are a
// single value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[netip.Prefix]() && t != reflect.TypeFor[SecretURL]()
}
