package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"unicode/utf8"
)

// maxDepth bounds the nesting of an answer.
const maxDepth = 32

var errNotObject = errors.New("not one JSON object in UTF-8")

// object parses an object that has no other members than those named. Unlike
// encoding/json it compares names exactly, and refuses duplicate members, in nested
// objects too: other parsers may take another one of them.
func object(text []byte, names ...string) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errNotObject
	}
	if err := checkMembers(text); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return nil, errNotObject
	}
	for name := range members {
		if !slices.Contains(names, name) {
			// The name is not repeated: it is foreign text in a log.
			return nil, errors.New("there is an unknown member")
		}
	}
	return members, nil
}

// scope is an object or array that is being read.
type scope struct {
	names map[string]bool // nil for an array
	value bool            // what comes next in an object is a value
}

// checkMembers refuses duplicate members and deep nesting.
func checkMembers(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var open []scope
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if err != nil {
			return errNotObject
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
