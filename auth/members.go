package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

var errNotJSON = errors.New("not one JSON value")

// scope is an object or array that is being read.
type scope struct {
	names map[string]bool // nil for an array
	value bool            // what comes next in an object is a value
}

// CheckMembers refuses JSON with a member that is there twice, as parsers differ about which
// of them counts, and JSON that is nested deeper than a bound.
func CheckMembers(text []byte, maxDepth int) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var open []scope
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if err != nil {
			return errNotJSON
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if last := len(open) - 1; last >= 0 && open[last].names != nil {
			at := &open[last]
			if !at.value {
				name, _ := token.(string)
				if at.names[name] {
					return errors.New("a member is there twice")
				}
				at.names[name], at.value = true, true
				continue
			}
			at.value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, scope{names: make(map[string]bool)})
		case json.Delim('['):
			open = append(open, scope{})
		}
		if len(open) > maxDepth {
			return errors.New("it is nested too deep")
		}
	}
}
