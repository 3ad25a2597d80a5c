package protobuf

import (
	"errors"
	"fmt"
)

// Schema is the file of a schema with all that it imports.
type Schema struct {
	tops     []*message          // of the file
	messages map[string]*message // of all files
	oneofs   int
}

// ErrTooLarge means that the JSON of a value is larger than allowed.
var ErrTooLarge = errors.New("the JSON of the value is larger than allowed")

var errIndexes = errors.New("the value does not begin with the indexes of a message that the schema has")

// Message is a message of the file of a schema.
type Message struct {
	schema *Schema
	of     *message
}

// Message returns a message of the schema by its name with the package, or the first one for no
// name.
func (s *Schema) Message(name string) (*Message, error) {
	if name == "" {
		return &Message{s, s.tops[0]}, nil
	}
	of := s.messages[name]
	if of == nil || of.indexes == nil || !contains(s.tops, of) {
		return nil, fmt.Errorf("its file has no message %.100q", name)
	}
	return &Message{s, of}, nil
}

// Name returns the name of the message with its package.
func (m *Message) Name() string { return m.of.name }

func contains(list []*message, of *message) bool {
	for _, one := range list {
		if one == of || contains(one.nested, of) {
			return true
		}
	}
	return false
}
