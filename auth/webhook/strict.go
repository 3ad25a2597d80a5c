package webhook

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"sluice/auth"
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
	if err := auth.CheckMembers(text, maxDepth); err != nil {
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
