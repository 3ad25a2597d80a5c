package schema

import (
	"strconv"

	"sluice/hub/jsonscan"
)

// PointerTo returns the JSON pointer to the value that begins at a place of a document that
// jsonscan.Check has accepted, as Violation.Pointer is.
func PointerTo(doc []byte, at int) string {
	var path []string
	for i := len(doc) - len(jsonscan.TrimSpace(doc)); i < at; {
		next, n, found := i+1, 0, false
		for !found {
			var name []byte
			value, more := next, false
			switch doc[i] {
			case '{':
				name, value, more = jsonscan.NextMember(doc, next)
			case '[':
				value, more = jsonscan.NextElement(doc, next)
			}
			if !more {
				return join(path)
			}
			next = jsonscan.EndOfValue(doc, value)
			if found = at < next; !found {
				n++
				continue
			}
			if step := strconv.Itoa(n); name == nil {
				path = append(path, step)
			} else {
				path = append(path, string(unquoted(name)))
			}
			i = value
		}
	}
	return join(path)
}
