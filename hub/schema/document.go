package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"sluice/hub/jsonscan"
)

// dialect is the only version of JSON Schema.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// Bounds of a file.
const (
	// MaxText bounds its size.
	MaxText = 1 << 20
	// maxDepth bounds how deeply it nests.
	maxDepth = 64
	// maxNumberBytes and maxNumberExponent bound its numbers, far above what is of use.
	maxNumberBytes    = 100
	maxNumberExponent = 400
)

var errOutside = errors.New("refers to another file or a metaschema: a schema can refer to itself only, such as by #/$defs/NAME, or to an $id in it")

// document is the file of a schema.
type document struct {
	root any
	// dynamicAnchors has their names by the pointers of their resources, and then their
	// pointers.
	dynamicAnchors map[string]map[string]string
}

// newDocument reads a file strictly: what it says must be the same for all readers.
func newDocument(text []byte) (*document, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("the schema has %d bytes, more than %d", len(text), MaxText)
	}
	if err := jsonscan.Check(text, maxDepth); err != nil {
		return nil, err
	}
	if err := jsonscan.CheckNames(text, 0); err != nil {
		return nil, err
	}
	var t tape
	if at, wrong := t.read(text); wrong != noKeyword {
		return nil, fmt.Errorf("%s %s", place(join(t.pointer(at))), (&finding{what: wrong}).message())
	}
	for at := range t.items {
		if t.items[at].kind == kindNumber && !moderate(t.text(int32(at))) {
			return nil, fmt.Errorf("%s has more than %d characters, or an exponent beyond %d", place(join(t.pointer(int32(at)))), maxNumberBytes, maxNumberExponent)
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	d := &document{dynamicAnchors: map[string]map[string]string{}}
	if err := decoder.Decode(&d.root); err != nil {
		return nil, err
	}
	if s, ok := d.root.(map[string]any); ok && s["$schema"] != nil && s["$schema"] != dialect && s["$schema"] != dialect+"#" {
		return nil, fmt.Errorf("$schema must be %s, or be left out", dialect)
	}
	d.collect(d.root, "", "")
	return d, nil
}

func moderate(number []byte) bool {
	e := bytes.IndexAny(number, "eE")
	if e < 0 {
		e = len(number)
	}
	exponent, ok := exponentOf(number[e:])
	return ok && len(number) <= maxNumberBytes && max(exponent, -exponent) <= maxNumberExponent
}

// Keywords that have schemas in them: one, a list of them, or several by name.
var (
	withSchema = []string{
		"additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
		"unevaluatedItems", "unevaluatedProperties",
	}
	withList  = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	withNames = []string{"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)

// collect finds the resources and the dynamic anchors of a schema and all that are in it.
func (d *document) collect(v any, at, resource string) {
	s, ok := v.(map[string]any)
	if !ok {
		return
	}
	if id, ok := s["$id"].(string); ok && id[:len(id)-len(fragment(id))] != "" {
		resource = at
	}
	if d.dynamicAnchors[resource] == nil {
		d.dynamicAnchors[resource] = map[string]string{}
	}
	if name, ok := s["$dynamicAnchor"].(string); ok {
		d.dynamicAnchors[resource][name] = at
	}
	for _, name := range withSchema {
		d.collect(s[name], at+"/"+name, resource)
	}
	for _, name := range withList {
		list, _ := s[name].([]any)
		for i, sub := range list {
			d.collect(sub, at+"/"+name+"/"+strconv.Itoa(i), resource)
		}
	}
	for _, name := range withNames {
		named, _ := s[name].(map[string]any)
		for key, sub := range named {
			d.collect(sub, at+"/"+name+"/"+escape(key), resource)
		}
	}
}

// fragment returns the fragment of a URI, with the #.
func fragment(uri string) string {
	if i := strings.IndexByte(uri, '#'); i >= 0 {
		return uri[i:]
	}
	return ""
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

// object returns the object at a pointer, nil for another value.
func (d *document) object(pointer string) (map[string]any, error) {
	v := d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" {
			break
		}
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil, errors.New("there is nothing at " + pointer)
			}
			v = in[i]
		}
	}
	o, _ := v.(map[string]any)
	return o, nil
}

// pointerIn returns the pointer in a location that the library gives, in the file at base.
func pointerIn(location, base string) (string, error) {
	text, ok := strings.CutPrefix(location, base+"#")
	if !ok {
		return "", errOutside
	}
	return url.PathUnescape(text)
}

// place names a place in a schema.
func place(pointer string) string {
	if pointer == "" {
		return "the schema"
	}
	return pointer
}
