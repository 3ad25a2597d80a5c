package registry

import (
	"encoding/json"
	"fmt"

	"sluice/hub/jsonscan"
)

// maxNesting bounds how deeply a schema nests that is put into another.
const maxNesting = 60

// referred is a schema that others refer to by a name.
type referred struct {
	name, text string
}

// bundle puts the JSON Schemas that a schema refers to into its $defs, as section 9.3 of
// JSON Schema Core describes: each has the name by which it is referred to as its $id. A
// schema that refers to none stays as it is, byte for byte.
func bundle(text string, others []referred) ([]byte, error) {
	if len(others) == 0 {
		return []byte(text), nil
	}
	root, err := members(text)
	if err != nil {
		return nil, err
	}
	definitions := map[string]json.RawMessage{}
	if own, ok := root["$defs"]; ok {
		if json.Unmarshal(own, &definitions) != nil {
			return nil, fmt.Errorf("/$defs is not an object")
		}
	}
	for _, other := range others {
		inner, err := members(other.text)
		if err != nil {
			return nil, fmt.Errorf("%.100q, to which it refers: %w", other.name, err)
		}
		inner["$id"] = jsonscan.AppendString(nil, other.name)
		name := other.name
		for definitions[name] != nil {
			name += "'"
		}
		if definitions[name], err = json.Marshal(inner); err != nil {
			return nil, fmt.Errorf("%.100q, to which it refers: %w", other.name, err)
		}
	}
	if root["$defs"], err = json.Marshal(definitions); err != nil {
		return nil, err
	}
	return json.Marshal(root)
}

// members returns the members of a schema as they are written.
func members(text string) (of map[string]json.RawMessage, err error) {
	if err := jsonscan.Check([]byte(text), maxNesting); err != nil {
		return nil, err
	}
	if err := jsonscan.CheckNames([]byte(text), 0); err != nil {
		return nil, err
	}
	if json.Unmarshal([]byte(text), &of) != nil || of == nil {
		return nil, fmt.Errorf("is not an object, which a schema with references has to be")
	}
	return of, nil
}
