package protobuf

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// maxDocument bounds a document in bytes, so that all sizes fit into 32 bits.
const maxDocument = 1 << 28

// Encode appends a document that jsonscan.Check and jsonscan.CheckNames have accepted: the
// indexes of the message, and the message in binary.
func (m *Message) Encode(dst, document []byte, limits schema.Limits) ([]byte, schema.Result) {
	if len(document) > maxDocument {
		return dst, schema.Result{Violations: []schema.Violation{{Message: "is too large to be encoded", Keyword: tooLarge}}}
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	e.schema, e.in, e.out, e.left, e.room = m.schema, document, append(dst, m.of.indexes...), limits.Steps, max(1, limits.Violations)
	e.message(m.of, len(document)-len(jsonscan.TrimSpace(document)), 0)
	result := schema.Result{Steps: limits.Steps - e.left, More: e.more}
	switch {
	case e.left < 0:
		result.Violations = []schema.Violation{{Message: "takes too many steps to be encoded (limit schema_steps): send less in one request", Keyword: tooCostly}}
		result.More = false
		return dst, result
	case len(e.found) == 0:
		return e.out, result
	}
	// What an object lacks is found at its end.
	slices.SortStableFunc(e.found, func(a, b finding) int { return cmp.Compare(a.at, b.at) })
	for _, f := range e.found {
		result.Violations = append(result.Violations, schema.Violation{Pointer: schema.PointerTo(document, f.at), Message: f.message, Keyword: f.keyword})
	}
	return dst, result
}

// The methods that encode a value at a place return the place after it, or stopped.

// message encodes the fields of a message.
func (e *encoder) message(m *message, at, depth int) int {
	if depth > maxDepth {
		return e.wrong(at, tooDeep, fmt.Sprintf("is nested in more than %d messages", maxDepth))
	}
	if m.special != plain {
		return e.special(m, at, depth)
	}
	return e.members(m, at, depth, false)
}

// members encodes the members of an object as the fields of a message. In an Any it has a
// member for its type as well.
func (e *encoder) members(m *message, at, depth int, inAny bool) int {
	if e.in[at] != '{' {
		return e.wrong(at, wrongType, "must be an object")
	}
	seen := e.mark(m)
	if !e.spend((len(e.seen)-seen)/8 + len(m.required)/4) {
		return stopped
	}
	i := at + 1
	for {
		name, value, ok := jsonscan.NextMember(e.in, i)
		if !ok {
			i = value
			break
		}
		if !e.spend(1) {
			return stopped
		}
		if i = e.member(m, seen, name, value, depth, inAny); i == stopped {
			return stopped
		}
	}
	for _, index := range m.required {
		if !e.met(seen, index) && !e.fail(at, missing, "must have the property "+quoted(m.fields[index].name)) {
			return stopped
		}
	}
	e.seen = e.seen[:seen]
	return i
}

// member encodes a member of an object as a field, or two of them if they are one of a oneof.
func (e *encoder) member(m *message, seen int, raw []byte, at, depth int, inAny bool) int {
	name, ok := nameOf(raw)
	if inAny && (string(name) == "@type" || string(name) == "value" && m.name == emptyName && isEmpty(e.in[at:])) {
		return jsonscan.EndOfValue(e.in, at)
	}
	index, known := m.names[string(name)]
	if !ok || !known {
		return e.wrong(at, unknownField, "is a property that the schema does not have")
	}
	f := &m.fields[index]
	if e.met(seen, index) {
		return e.wrong(at, twoFields, "is the same field as another property: a field has two names")
	}
	if e.in[at] == 'n' && !f.takesNull() {
		return jsonscan.EndOfValue(e.in, at) // as if it were not there
	}
	e.meet(seen, index)
	if f.oneof != noOneof {
		if e.met(seen, len(m.fields)+f.oneof) {
			return e.wrong(at, twoFields, "is one of several properties that exclude each other, and another one is set")
		}
		e.meet(seen, len(m.fields)+f.oneof)
	}
	switch {
	case f.object:
		return e.object(f, at, depth)
	case f.list:
		return e.list(f, at, depth)
	}
	return e.single(f, at, depth)
}

// takesNull reports whether null is a value of a field.
func (f *field) takesNull() bool {
	return !f.list && !f.object && (f.message != nil && f.message.special == specialValue || f.enum != nil && f.enum.null)
}

// single encodes a field with one value. A default value is left out if it makes no difference.
func (e *encoder) single(f *field, at, depth int) int {
	begin := len(e.out)
	e.tag(f.number, f.wire)
	value := len(e.out)
	end := e.value(f, at, depth)
	if !f.presence && f.message == nil && isZero(e.out[value:]) {
		e.out = e.out[:begin]
	}
	return end
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// value encodes one value, whose tag was written.
func (e *encoder) value(f *field, at, depth int) int {
	switch {
	case f.kind == protoreflect.GroupKind:
		end := e.message(f.message, at, depth+1)
		e.tag(f.number, protowire.EndGroupType)
		return end
	case f.message != nil:
		begin := e.open()
		end := e.message(f.message, at, depth+1)
		e.close(begin)
		return end
	}
	return e.scalar(f, at)
}

func (e *encoder) list(f *field, at, depth int) int {
	if e.in[at] != '[' {
		return e.wrong(at, wrongType, "must be an array")
	}
	before, begin := len(e.out), 0
	if f.packed {
		e.tag(f.number, protowire.BytesType)
		begin = e.open()
	}
	i, n := at+1, 0
	for ; ; n++ {
		value, ok := jsonscan.NextElement(e.in, i)
		if !ok {
			i = value
			break
		}
		if !e.spend(1) {
			return stopped
		}
		if !f.packed {
			e.tag(f.number, f.wire)
		}
		if i = e.value(f, value, depth); i == stopped {
			return stopped
		}
	}
	switch {
	case f.packed && n > 0:
		e.close(begin)
	case f.packed:
		e.out = e.out[:before]
	}
	return i
}

// object encodes a map, in the order of the document.
func (e *encoder) object(f *field, at, depth int) int {
	if e.in[at] != '{' {
		return e.wrong(at, wrongType, "must be an object")
	}
	if depth+1 > maxDepth {
		return e.wrong(at, tooDeep, fmt.Sprintf("is nested in more than %d messages", maxDepth))
	}
	name, value := &f.message.fields[0], &f.message.fields[1]
	i := at + 1
	for {
		raw, member, ok := jsonscan.NextMember(e.in, i)
		if !ok {
			return member
		}
		if !e.spend(1) {
			return stopped
		}
		e.tag(f.number, protowire.BytesType)
		begin := e.open()
		e.tag(name.number, name.wire)
		if fault := e.key(name, raw); fault != "" {
			i = e.wrong(member, wrongKey, fault)
		} else {
			e.tag(value.number, value.wire)
			i = e.value(value, member, depth+1)
		}
		if i == stopped {
			return stopped
		}
		e.close(begin)
	}
}
