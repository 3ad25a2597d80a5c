package schema

import "sync"

// maxNesting bounds how deeply schemas and values together nest while they are checked. It
// keeps the stack small.
const maxNesting = 4000

// run is one value that is being checked. Its memory is used again for another.
type run struct {
	tape
	// left is how many steps may still be taken; below 0 the result is tooCostly.
	left int
	// room is how many violations are told.
	room  int
	found []finding
	more  bool
	// quiet is above 0 while only the result counts.
	quiet   int
	nesting int
	// scope has the resources through which the check has come, the outermost first.
	scope []*resource
	marks []bool // see marked
	seen  map[uint64]int32
	first decimal
	other decimal
}

var runs = sync.Pool{New: func() any { return &run{seen: map[uint64]int32{}} }}

// maxKept bounds the memory that a run keeps for the next value, in items and in bytes.
const maxKept = 4096

// release returns a run for use with other values.
func (r *run) release() {
	if cap(r.items) > maxKept || cap(r.marks) > maxKept || len(r.seen) > maxKept ||
		cap(r.first.Digits) > maxKept || cap(r.other.Digits) > maxKept {
		return // it was made for an unusual value
	}
	r.doc = nil
	clear(r.found[:cap(r.found)])
	clear(r.scope[:cap(r.scope)])
	r.found, r.scope, r.marks, r.more, r.quiet, r.nesting = r.found[:0], r.scope[:0], r.marks[:0], false, 0, 0
	runs.Put(r)
}

// spend takes steps, and reports whether there were enough.
func (r *run) spend(steps int) bool {
	r.left -= steps
	return r.left >= 0
}

// fail reports a violation and returns false.
func (r *run) fail(f finding) bool {
	switch {
	case r.quiet > 0:
	case len(r.found) < r.room:
		r.found = append(r.found, f)
	default:
		r.more = true
	}
	return false
}

// quietly returns the result of a check and reports nothing.
func (r *run) quietly(s *node, at int32, up marked) bool {
	r.quiet++
	ok := r.check(s, at, up)
	r.quiet--
	return ok
}

// check reports whether an item is valid. If up is in use, it marks what the schema has
// evaluated of the item, if it is valid.
func (r *run) check(s *node, at int32, up marked) bool {
	switch {
	case !r.spend(1):
		return false
	case s.always:
		return true
	case s.never:
		return r.fail(finding{what: falseSchema, at: at, of: s})
	case r.nesting >= maxNesting:
		r.left = -1
		return false
	}
	r.nesting++
	inner := len(r.scope) == 0 || r.scope[len(r.scope)-1] != s.resource
	if inner {
		r.scope = append(r.scope, s.resource)
	}
	ok := r.checkAll(s, at, up)
	if inner {
		r.scope = r.scope[:len(r.scope)-1]
	}
	r.nesting--
	return ok
}

// number reads a number. Its exponent was checked when the value was read.
func (r *run) number(into *decimal, at int32) {
	text := r.text(at)
	r.spend(len(text) / 16)
	into.Set(text)
}

// marked are marks for the members or elements of an item: those that were evaluated. They
// are a range in run.marks, so that none has to be allocated. The zero value is not in use.
type marked struct {
	from, n int
	used    bool
}

// mark returns marks for a schema, if it or one that it is in place of needs them.
func (r *run) mark(s *node, at int32, up marked) marked {
	one := &r.items[at]
	switch {
	case one.kind != kindObject && one.kind != kindArray:
		return marked{}
	case !up.used && (one.kind != kindObject || s.unevaluatedProperties == nil) && (one.kind != kindArray || s.unevaluatedItems == nil):
		return marked{}
	case !r.spend(int(one.count) / 8):
		return marked{}
	}
	own := marked{from: len(r.marks), n: int(one.count), used: true}
	for range own.n {
		r.marks = append(r.marks, false)
	}
	return own
}

// evaluated marks a member or element.
func (r *run) evaluated(own marked, n int) {
	if own.used {
		r.marks[own.from+n] = true
	}
}

// pass adds marks to those of another schema of the same item.
func (r *run) pass(own, up marked) {
	if !own.used || !up.used {
		return
	}
	for i := range own.n {
		if r.marks[own.from+i] {
			r.marks[up.from+i] = true
		}
	}
}

func (r *run) unmark(own marked) {
	if own.used {
		r.marks = r.marks[:own.from]
	}
}
