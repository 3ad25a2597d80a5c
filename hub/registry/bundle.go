package registry

import (
	"encoding/json"
	"fmt"
	"slices"

	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// maxNesting bounds how deeply a schema nests that is put into another.
const maxNesting = 60

// defaultDraft is that of schemas without $schema, which registries and serializers of
// Confluent's take for it.
const defaultDraft = schema.Draft07

// referred is a schema that others refer to by a name.
type referred struct {
	name, text string
}

// bundle puts the JSON Schemas that a schema refers to into its definitions, as section 9.3 of
// JSON Schema Core describes: each has the name by which it is referred to as its $id, and
// its own $schema if it is of another draft. A schema that refers to none stays as it is,
// byte for byte.
func bundle(text string, others []referred) ([]byte, error) {
	if len(others) == 0 {
		return []byte(text), nil
	}
	root, draft, err := members(text)
	if err != nil {
		return nil, err
	}
	root["$schema"] = jsonscan.AppendString(nil, draft.URI())
	definitions := map[string]json.RawMessage{}
	if own, ok := root[draft.Definitions()]; ok {
		if json.Unmarshal(own, &definitions) != nil {
			return nil, fmt.Errorf("/%s is not an object", draft.Definitions())
		}
	}
	for _, other := range others {
		inner, err := embedded(other, draft)
		if err != nil {
			return nil, fmt.Errorf("%.100q, to which it refers: %w", other.name, err)
		}
		name := other.name
		for definitions[name] != nil {
			name += "'"
		}
		if definitions[name], err = json.Marshal(inner); err != nil {
			return nil, fmt.Errorf("%.100q, to which it refers: %w", other.name, err)
		}
	}
	if root[draft.Definitions()], err = json.Marshal(definitions); err != nil {
		return nil, err
	}
	return json.Marshal(root)
}

// embedded returns the members of a schema as it stands in one of a draft.
func embedded(other referred, in schema.Draft) (map[string]json.RawMessage, error) {
	inner, draft, err := members(other.text)
	if err != nil {
		return nil, err
	}
	if draft.RefAlone() {
		nameable(inner)
	}
	if draft != in {
		inner["$schema"] = jsonscan.AppendString(nil, draft.URI())
	}
	inner[draft.ID()] = jsonscan.AppendString(nil, other.name)
	return inner, nil
}

// besideRef are the members that mean the same beside a $ref and without it.
var besideRef = []string{"$schema", "$comment", "title", "description", "$defs", "definitions"}

// nameable changes a schema that refers to another one, such as to one in its own definitions.
// Beside a $ref a name would have no effect, like all that is removed.
func nameable(s map[string]json.RawMessage) {
	to, ok := s["$ref"]
	if !ok || len(to) == 0 || to[0] != '"' {
		return
	}
	for name := range s {
		if !slices.Contains(besideRef, name) {
			delete(s, name)
		}
	}
	s["allOf"] = slices.Concat(json.RawMessage(`[{"$ref":`), to, json.RawMessage(`}]`))
}

// members returns the members of a schema as they are written, and its draft.
func members(text string) (of map[string]json.RawMessage, draft schema.Draft, err error) {
	if err := jsonscan.Check([]byte(text), maxNesting); err != nil {
		return nil, 0, err
	}
	if err := jsonscan.CheckNames([]byte(text), 0); err != nil {
		return nil, 0, err
	}
	if json.Unmarshal([]byte(text), &of) != nil || of == nil {
		return nil, 0, fmt.Errorf("is not an object, which a schema with references has to be")
	}
	said, ok := of["$schema"]
	if !ok {
		return of, defaultDraft, nil
	}
	var uri string
	if json.Unmarshal(said, &uri) == nil {
		if draft, ok = schema.DraftOf(uri); ok {
			return of, draft, nil
		}
	}
	return nil, 0, fmt.Errorf("/$schema must name a draft that is supported")
}
