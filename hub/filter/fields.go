package filter

import (
	"iter"

	"sluice/hub/jsonscan"
)

// Fields maps fields to values of a type, and finds the fields that a record has. The
// time to find them depends on the size of the record and not on the number of fields:
// the record is walked once, and its names are looked up. The zero value is empty. It is
// not safe for concurrent use.
type Fields[T any] struct {
	data    fieldNode[T]             // the whole value
	headers map[string]*fieldNode[T] // by name

	// Of the record that was walked last.
	touched []*fieldNode[T] // those with a T that have a value
	serial  uint64          // of the object or list of headers that was begun last
}

// maxTouched bounds the memory that is kept for the fields of the next record.
const maxTouched = 1 << 10

// fieldNode is a header, or the end of a path of names.
type fieldNode[T any] struct {
	of      *T // nil if no field ends here
	parent  *fieldNode[T]
	members map[string]*fieldNode[T]

	// Of the record that was walked last. When a name occurs twice in an object, what
	// was found within the first value does not count: its nodes are within another
	// object than the last of their parent.
	value  []byte
	within uint64 // the serial of the object that the value is a member of
	object uint64 // the serial of the value itself, if it is an object
	walk   uint64 // the serial with which the record began
}

// Get returns the T of a field, nil if the field has none.
func (x *Fields[T]) Get(f Field) *T {
	n := x.node(f, false)
	if n == nil {
		return nil
	}
	return n.of
}

// Add returns the T of a field, which must not be the zero Field; a new one if the field
// has none.
func (x *Fields[T]) Add(f Field) *T {
	n := x.node(f, true)
	if n.of == nil {
		n.of = new(T)
	}
	return n.of
}

// Remove removes a field and its T.
func (x *Fields[T]) Remove(f Field) {
	n := x.node(f, false)
	if n == nil {
		return
	}
	n.of = nil
	if name, ok := f.header(); ok {
		delete(x.headers, name)
		return
	}
	path, _ := f.data()
	x.data.prune(path)
}

// prune removes the nodes of a path that are of no use any more.
func (n *fieldNode[T]) prune(path string) {
	if path == "" {
		return
	}
	name, others := split(path)
	m := n.members[name]
	m.prune(others)
	if m.of == nil && len(m.members) == 0 {
		delete(n.members, name)
	}
}

// node returns the node of a field. If there is none it is created, or nil.
func (x *Fields[T]) node(f Field, create bool) *fieldNode[T] {
	if name, ok := f.header(); ok {
		return nodeIn(&x.headers, nil, name, create)
	}
	path, ok := f.data()
	if !ok {
		return nil
	}
	n := &x.data
	for path != "" && n != nil {
		var name string
		name, path = split(path)
		n = nodeIn(&n.members, n, name, create)
	}
	return n
}

func nodeIn[T any](nodes *map[string]*fieldNode[T], parent *fieldNode[T], name string, create bool) *fieldNode[T] {
	n := (*nodes)[name]
	if n == nil && create {
		if *nodes == nil {
			*nodes = make(map[string]*fieldNode[T])
		}
		n = &fieldNode[T]{parent: parent}
		(*nodes)[name] = n
	}
	return n
}

// All yields the T of each field that a record has, and the text of its value, which is
// valid until the next step and equals [FieldSet.Value] of equal values. Fields must not
// be added or removed meanwhile.
func (x *Fields[T]) All(r *Record) iter.Seq2[*T, []byte] {
	return func(yield func(*T, []byte) bool) {
		x.walk(r)
		more := true
		for _, n := range x.touched {
			if more && n.counts() {
				if text, ok := scalar(n.value); ok {
					more = yield(n.of, text)
				}
			}
			n.value = nil // it must not keep the record in memory
		}
		if cap(x.touched) > maxTouched {
			x.touched = nil
		}
		x.touched = x.touched[:0]
	}
}

// counts reports whether the node has not been found in the first of two values of a
// name.
func (n *fieldNode[T]) counts() bool {
	for ; n.parent != nil; n = n.parent {
		if n.within != n.parent.object {
			return false
		}
	}
	return true
}

// walk finds the values of all fields in a record.
func (x *Fields[T]) walk(r *Record) {
	x.serial++
	walk := x.serial
	if len(x.headers) > 0 {
		for name, value := range r.headerValues() {
			if n := nodeNamed(x.headers, name); n != nil {
				x.touch(n, value, walk)
			}
		}
	}
	if n := &x.data; n.of != nil || len(n.members) > 0 {
		data := r.textData()
		n.object = 0
		if len(data) > 0 && data[0] == '{' && len(n.members) > 0 {
			x.walkObject(n, data, 0, walk)
		}
		x.touch(n, data, walk)
	}
}

// walkObject finds the values of fields in the object that begins at i, which is the
// value of a node, and returns where the object ends. It recurses no deeper than the
// path of a field.
func (x *Fields[T]) walkObject(n *fieldNode[T], b []byte, i int, walk uint64) (end int) {
	x.serial++
	n.object = x.serial
	for i++; ; {
		name, at, ok := jsonscan.NextMember(b, i)
		if !ok {
			return at
		}
		m := nodeNamed(n.members, name)
		if m == nil {
			i = jsonscan.EndOfValue(b, at)
			continue
		}
		m.within, m.object = n.object, 0
		if at < len(b) && b[at] == '{' && len(m.members) > 0 {
			i = x.walkObject(m, b, at, walk)
		} else {
			i = jsonscan.EndOfValue(b, at)
		}
		x.touch(m, b[at:i], walk)
	}
}

// touch notes the value of a node.
func (x *Fields[T]) touch(n *fieldNode[T], value []byte, walk uint64) {
	if n.of == nil {
		return
	}
	n.value = value
	if n.walk != walk {
		n.walk = walk
		x.touched = append(x.touched, n)
	}
}

// nodeNamed returns the node whose name a JSON string is, nil if there is none.
func nodeNamed[T any](nodes map[string]*fieldNode[T], raw []byte) *fieldNode[T] {
	if content, plain := unescaped(raw); plain {
		return nodes[string(content)] // which does not allocate
	}
	if name, ok := jsonscan.Unquote(raw); ok {
		return nodes[name]
	}
	return nil
}
