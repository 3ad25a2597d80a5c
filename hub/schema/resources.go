package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// recursive is the name of the anchor that $recursiveAnchor makes of a resource. It is none
// that $dynamicAnchor can have.
const recursive = "#"

// collect finds the resources and the dynamic anchors of a schema and all that are in it. The
// draft is that of the schema around it.
func (d *document) collect(v any, at, resource string, draft Draft) error {
	s, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	draft, err := draftAt(s, at, draft)
	if err != nil {
		return err
	}
	if at == "" {
		d.draft = draft
	}
	if draft.idOf(s) != "" {
		resource = at
	}
	if d.dynamicAnchors[resource] == nil {
		d.dynamicAnchors[resource] = map[string]string{}
	}
	if name, ok := s["$dynamicAnchor"].(string); ok && draft.has("$dynamicAnchor") {
		d.dynamicAnchors[resource][name] = at
	}
	if s["$recursiveAnchor"] == true && draft.has("$recursiveAnchor") && resource == at {
		d.dynamicAnchors[resource][recursive] = at
	}
	return subschemas(s, at, draft, func(sub any, at string) error { return d.collect(sub, at, resource, draft) })
}

// draftAt returns the draft of a schema, which is that of the schema around it, unless it
// names one. Within a file, only a schema with a name of its own can be of another draft.
func draftAt(s map[string]any, at string, around Draft) (Draft, error) {
	said, ok := s["$schema"]
	if !ok {
		return around, nil
	}
	uri, _ := said.(string)
	own, ok := DraftOf(uri)
	switch {
	case !ok:
		return 0, fmt.Errorf("%s must name a draft that is supported: %s", place(at+"/$schema"), draftURIs())
	case at != "" && own != around && own.idOf(s) == "":
		return 0, fmt.Errorf("%s is %s, while the schema around it is of %s: for that it needs an %s of its own", place(at+"/$schema"), own, around, own.ID())
	}
	return own, nil
}

// subschemas calls visit for what a schema has in the places of schemas.
func subschemas(s map[string]any, at string, draft Draft, visit func(sub any, at string) error) error {
	for _, name := range withSchema {
		if !draft.has(name) {
			continue
		}
		if err := visit(s[name], at+"/"+name); err != nil {
			return err
		}
	}
	for _, name := range withList {
		list, _ := s[name].([]any)
		for i, sub := range list {
			if !draft.has(name) {
				break
			}
			if err := visit(sub, at+"/"+name+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	}
	for _, name := range withNames {
		named, _ := s[name].(map[string]any)
		for key, sub := range named {
			if !draft.has(name) {
				break
			}
			if err := visit(sub, at+"/"+name+"/"+escape(key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// resourceOf returns the pointer of the resource that a place is in.
func (d *document) resourceOf(at string) string {
	for {
		if d.dynamicAnchors[at] != nil {
			return at
		}
		i := strings.LastIndexByte(at, '/')
		if i < 0 {
			return ""
		}
		at = at[:i]
	}
}
