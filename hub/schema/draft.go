package schema

import "strings"

// Draft is a version of JSON Schema.
type Draft int

// The drafts.
const (
	Draft04   Draft = 4
	Draft06   Draft = 6
	Draft07   Draft = 7
	Draft2019 Draft = 2019
	Draft2020 Draft = 2020
)

// drafts are all drafts, with their names and their metaschemas.
var drafts = []struct {
	draft       Draft
	name        string
	scheme, uri string
}{
	{Draft04, "draft-04", "http://", "json-schema.org/draft-04/schema"},
	{Draft06, "draft-06", "http://", "json-schema.org/draft-06/schema"},
	{Draft07, "draft-07", "http://", "json-schema.org/draft-07/schema"},
	{Draft2019, "draft 2019-09", "https://", "json-schema.org/draft/2019-09/schema"},
	{Draft2020, "draft 2020-12", "https://", "json-schema.org/draft/2020-12/schema"},
}

// DraftOf returns the draft that the value of $schema names: by http or https, with or
// without an empty fragment.
func DraftOf(uri string) (Draft, bool) {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		if rest, ok = strings.CutPrefix(uri, "https://"); !ok {
			return 0, false
		}
	}
	rest = strings.TrimSuffix(rest, "#")
	for _, d := range drafts {
		if rest == d.uri {
			return d.draft, true
		}
	}
	return 0, false
}

// String returns the name of the draft.
func (d Draft) String() string {
	for _, one := range drafts {
		if one.draft == d {
			return one.name
		}
	}
	return "no draft"
}

// URI returns the value of $schema for the draft.
func (d Draft) URI() string {
	for _, one := range drafts {
		if one.draft == d && d <= Draft07 {
			return one.scheme + one.uri + "#"
		} else if one.draft == d {
			return one.scheme + one.uri
		}
	}
	return ""
}

// draftURIs lists what $schema can be.
func draftURIs() string {
	var list []string
	for _, one := range drafts {
		list = append(list, one.draft.URI())
	}
	return strings.Join(list, ", ")
}

// ID returns the keyword that names a schema.
func (d Draft) ID() string {
	if d == Draft04 {
		return "id"
	}
	return "$id"
}

// Definitions returns the keyword that has schemas to which others refer.
func (d Draft) Definitions() string {
	if d <= Draft07 {
		return "definitions"
	}
	return "$defs"
}

// RefAlone reports whether the keywords beside a $ref have no effect.
func (d Draft) RefAlone() bool { return d <= Draft07 }

// idOf returns the name of a schema without its fragment, "" for none.
func (d Draft) idOf(s map[string]any) string {
	if _, ok := s["$ref"]; ok && d.RefAlone() {
		return ""
	}
	id, _ := s[d.ID()].(string)
	return id[:len(id)-len(fragment(id))]
}

// fragment returns the fragment of a URI, with the #.
func fragment(uri string) string {
	if i := strings.IndexByte(uri, '#'); i >= 0 {
		return uri[i:]
	}
	return ""
}

// Keywords that have schemas in them: one, a list of them, or several by name.
var (
	withSchema = []string{
		"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
		"then", "unevaluatedItems", "unevaluatedProperties",
	}
	withList  = []string{"allOf", "anyOf", "items", "oneOf", "prefixItems"}
	withNames = []string{"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)

// plain are the other keywords that have an effect, and notes those that have none in any
// draft, or not by themselves.
var (
	plain = []string{
		"$dynamicRef", "$recursiveRef", "$ref", "const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "format",
		"maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
		"minimum", "multipleOf", "pattern", "required", "type", "uniqueItems",
	}
	notes = []string{
		"$anchor", "$comment", "$defs", "$dynamicAnchor", "$id", "$recursiveAnchor", "$schema", "$vocabulary", "contentEncoding",
		"contentMediaType", "contentSchema", "default", "definitions", "deprecated", "description", "examples", "id", "readOnly",
		"title", "writeOnly",
	}
)

// since and until are the first and the last drafts of keywords that not all drafts have.
var (
	since = map[string]Draft{
		"$anchor": Draft2019, "$dynamicAnchor": Draft2020, "$dynamicRef": Draft2020, "$id": Draft06, "$recursiveAnchor": Draft2019,
		"$recursiveRef": Draft2019, "const": Draft06, "contains": Draft06, "dependentRequired": Draft2019,
		"dependentSchemas": Draft2019, "else": Draft07, "if": Draft07, "maxContains": Draft2019, "minContains": Draft2019,
		"prefixItems": Draft2020, "propertyNames": Draft06, "then": Draft07, "unevaluatedItems": Draft2019,
		"unevaluatedProperties": Draft2019,
	}
	until = map[string]Draft{
		"$recursiveAnchor": Draft2019, "$recursiveRef": Draft2019, "additionalItems": Draft2019, "id": Draft04,
	}
)

// has reports whether a keyword that some draft has is one of this draft.
func (d Draft) has(name string) bool {
	last, ok := until[name]
	return d >= since[name] && (!ok || d <= last)
}
