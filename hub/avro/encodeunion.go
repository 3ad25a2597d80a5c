package avro

import (
	"encoding/binary"

	"sluice/hub/jsonscan"
)

// union encodes a value in the branch that an object of one member names, as Avro's JSON
// encoding does, or else as a value of the first branch that it fits.
func (e *encoder) union(n *node, i, depth int) (end int, ok bool) {
	fitting := n.fitting[formOf(e.doc[i])]
	if e.doc[i] == '{' {
		if b, inner := e.named(n, i); b >= 0 {
			return e.tagged(n, b, i, inner, depth, fitting)
		}
	}
	return e.plain(n, i, depth, fitting)
}

// named returns the branch that an object names, and where its value begins, or -1.
func (e *encoder) named(n *node, i int) (branch, value int) {
	name, value, more := jsonscan.NextMember(e.doc, i+1)
	if !more {
		return -1, 0
	}
	if e.spend(len(name) / 16); len(name) > n.longest {
		return -1, 0
	}
	text, _ := unquoted(name)
	branch, known := n.places[string(text)]
	if !known {
		return -1, 0
	}
	if _, _, more = jsonscan.NextMember(e.doc, e.skip(value)); more {
		return -1, 0
	}
	return branch, value
}

// tagged encodes a value that is named. It may still be meant to be a map or a record with
// a member of this name.
func (e *encoder) tagged(n *node, b, i, inner, depth int, fitting []int) (end int, ok bool) {
	object := false
	for _, other := range fitting {
		object = object || e.misfits(n.of[other], i) == 0
	}
	if object {
		if _, ok := e.try(n, b, inner, depth); ok {
			return e.skip(i), true
		}
		return e.plain(n, i, depth, fitting)
	}
	end, ok = e.branch(n, b, inner, depth)
	_, end, _ = jsonscan.NextMember(e.doc, end)
	return end, ok
}

// plain encodes a value that is not named.
func (e *encoder) plain(n *node, i, depth int, fitting []int) (end int, ok bool) {
	switch {
	case len(fitting) == 0:
		return e.skip(i), e.fail(finding{what: keywordType, at: i, of: n})
	case len(fitting) == 1:
		return e.branch(n, fitting[0], i, depth)
	case e.doc[i] == '{':
		return e.object(n, i, depth, fitting)
	}
	end = e.skip(i)
	start := len(e.out)
	for _, exact := range []bool{true, false} {
		for _, b := range fitting {
			e.quiet++
			e.out = binary.AppendVarint(e.out[:start], int64(b))
			// Each reads all of the value, of which escapes take the longest.
			ok = e.spend(1+(end-i)/8) && e.scalar(n.of[b], i, end, exact)
			if e.quiet--; ok || e.left < 0 {
				return end, ok
			}
		}
	}
	return end, e.fail(finding{what: keywordUnion, at: i, of: n, n: -1})
}

// object encodes an object that may be of several branches: of those that have all of its
// members, and whose other fields have defaults, the first that it fits.
func (e *encoder) object(n *node, i, depth int, fitting []int) (end int, ok bool) {
	closest, least, several := fitting[0], -1, false
	for _, b := range fitting {
		misses := e.misfits(n.of[b], i)
		several = several || misses == 0 && least == 0
		if least < 0 || misses < least {
			closest, least = b, misses
		}
	}
	if several {
		for _, b := range fitting {
			if e.misfits(n.of[b], i) > 0 {
				continue
			}
			if end, ok := e.try(n, b, i, depth); ok || e.left < 0 {
				return end, ok
			}
		}
	}
	if several || least > 0 {
		if e.quiet > 0 {
			return e.skip(i), false
		}
		e.fail(finding{what: keywordUnion, at: i, of: n, n: closest})
	}
	return e.branch(n, closest, i, depth)
}

// misfits counts the members of an object that a record does not have, and the fields without
// a default that the object does not have.
func (e *encoder) misfits(n *node, i int) (count int) {
	if n.kind != kindRecord {
		return 0
	}
	e.spend(1)
	known, next := 0, 0
	for at := i + 1; e.left >= 0; {
		name, value, more := jsonscan.NextMember(e.doc, at)
		if !more {
			break
		}
		at = e.skip(value)
		e.spend(1 + len(name)/8)
		f := n.field(name, next)
		switch {
		case f < 0:
			count++
		case n.defaults[f] == nil:
			known++
		}
		next = f + 1
	}
	return count + n.required - known
}

// try is branch without violations. Nothing is appended for a value that does not fit.
func (e *encoder) try(n *node, b, i, depth int) (end int, ok bool) {
	start := len(e.out)
	e.quiet++
	end, ok = e.branch(n, b, i, depth)
	if e.quiet--; !ok {
		e.out = e.out[:start]
	}
	return end, ok
}

// branch encodes a value in a branch.
func (e *encoder) branch(n *node, b, i, depth int) (end int, ok bool) {
	e.out = binary.AppendVarint(e.out, int64(b))
	return e.value(n.of[b], i, depth+1)
}
