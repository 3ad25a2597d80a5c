package avro

import (
	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// Encode appends the binary encoding of a value in JSON that jsonscan.Check and
// jsonscan.CheckNames have accepted, or returns what is wrong with it.
func (s *Schema) Encode(dst, value []byte, limits schema.Limits) ([]byte, schema.Result) {
	e := encoders.Get().(*encoder)
	defer e.release()
	e.doc, e.out = value, dst
	e.left, e.room = limits.Steps, max(1, limits.Violations)
	from := len(value) - len(jsonscan.TrimSpace(value))
	wrong, end, ok := noKeyword, 0, false
	if from == len(value) {
		wrong = notJSON
	} else if end, ok = e.value(s.root, from, 0); len(jsonscan.TrimSpace(value[end:])) > 0 {
		wrong = notJSON
	}
	result := schema.Result{Steps: limits.Steps - e.left}
	switch {
	case e.left < 0:
		e.found = append(e.found[:0], finding{what: tooCostly, at: from})
	case wrong != noKeyword:
		e.found = append(e.found[:0], finding{what: wrong, at: from})
	case ok && len(e.found) == 0:
		return e.out, result
	default:
		result.More = e.more
	}
	if len(e.found) == 0 {
		// Whatever was forgotten: a value that is not valid must not look like one.
		e.found = append(e.found, finding{what: keywordType, at: from, of: s.root})
	}
	for _, f := range e.found {
		result.Violations = append(result.Violations, schema.Violation{Pointer: schema.PointerTo(value, f.at), Message: f.message(), Keyword: keywordNames[f.what]})
	}
	return dst, result
}

// value encodes the value that begins at i, and returns its end. What was appended of a value
// that does not fit has no meaning.
func (e *encoder) value(n *node, i, depth int) (end int, ok bool) {
	switch {
	case !e.spend(1) || i >= len(e.doc):
		return len(e.doc), false
	case depth > maxDepth:
		return e.skip(i), e.fail(finding{what: tooDeep, at: i})
	}
	c := e.doc[i]
	switch {
	case n.kind == kindUnion:
		return e.union(n, i, depth)
	case n.kind == kindRecord && c == '{':
		return e.record(n, i, depth)
	case n.kind == kindMap && c == '{':
		return e.mapping(n, i, depth)
	case n.kind == kindArray && c == '[':
		return e.array(n, i, depth)
	case n.kind >= kindArray:
		return e.skip(i), e.fail(finding{what: keywordType, at: i, of: n})
	}
	end = e.skip(i)
	return end, e.scalar(n, i, end, false)
}
