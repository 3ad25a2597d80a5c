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

var errOutside = errors.New("refers to another file or a metaschema: a schema can refer to itself only, such as by #/$defs/NAME or #/definitions/NAME, or to an $id in it")

// document is the file of a schema.
type document struct {
	root any
	// draft is that of the root, and named whether its $schema names it.
	draft Draft
	named bool
	// dynamicAnchors has their names by the pointers of their resources, and then their
	// pointers.
	dynamicAnchors map[string]map[string]string
}

// newDocument reads a file strictly: what it says must be the same for all readers. The
// draft is that of a file that does not name one.
func newDocument(text []byte, draft Draft) (*document, error) {
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
	d := &document{draft: draft, dynamicAnchors: map[string]map[string]string{}}
	if err := decoder.Decode(&d.root); err != nil {
		return nil, err
	}
	if s, ok := d.root.(map[string]any); ok && s["$schema"] != nil {
		d.named = true
	}
	return d, nil
}

func moderate(number []byte) bool {
	exponent, ok := jsonscan.Exponent(number)
	return ok && len(number) <= maxNumberBytes && max(exponent, -exponent) <= maxNumberExponent
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
