package schema

import (
	"strconv"

	"sluice/hub/jsonscan"
)

// PointerTo returns the JSON pointer to the value that begins at a place of a document that
// jsonscan.Check has accepted, as Violation.Pointer is.
func PointerTo(doc []byte, at int) string {
	type level struct {
		name  []byte // of the member, nil in an array
		n     int    // of the element
		named bool   // the next string is a name
	}
	var around []level
	for i := 0; i < at && i < len(doc); i++ {
		last := len(around) - 1
		switch doc[i] {
		case '{':
			around = append(around, level{named: true})
		case '[':
			around = append(around, level{})
		case '}', ']':
			around = around[:max(0, last)]
		case ',':
			around[last].n++
			around[last].named = around[last].name != nil
		case '"':
			end := jsonscan.EndOfValue(doc, i)
			if last >= 0 && around[last].named {
				around[last].name, around[last].named = doc[i:end], false
			}
			i = end - 1
		}
	}
	path := make([]string, len(around))
	for i, l := range around {
		if path[i] = strconv.Itoa(l.n); l.name != nil {
			path[i] = string(unquoted(l.name))
		}
	}
	return join(path)
}
