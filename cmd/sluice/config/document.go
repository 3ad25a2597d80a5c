package config

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// document is a koanf.Parser of one YAML document. Unlike koanf's own parser it
// refuses a second document, which koanf would drop silently, and anything but a
// section at the top level.
type document struct{}

// Unmarshal parses the document. An empty one has no fields.
func (document) Unmarshal(b []byte) (map[string]any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var value any
	switch err := decoder.Decode(&value); {
	case errors.Is(err, io.EOF):
		return map[string]any{}, nil
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("expected one YAML document, got more after ---")
	}
	if value == nil {
		return map[string]any{}, nil
	}
	fields, ok := stringKeys(value).(map[string]any)
	if !ok {
		return nil, errors.New("expected fields at the top level, got " + describe(value))
	}
	return fields, nil
}

// Marshal encodes a document.
func (document) Marshal(fields map[string]any) ([]byte, error) { return yaml.Marshal(fields) }

// given is a koanf.Provider of a document that is already in memory.
type given string

// ReadBytes returns the document.
func (g given) ReadBytes() ([]byte, error) { return []byte(g), nil }

// Read is for providers that parse their content themselves; this one does not.
func (given) Read() (map[string]any, error) {
	return nil, errors.New("the document has to be parsed")
}
