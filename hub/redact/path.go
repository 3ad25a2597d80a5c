package redact

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxPaths is the maximum number of paths in the texts of one Redaction.
	MaxPaths = 64
	// MaxDepth is the maximum number of names in a path.
	MaxDepth = 32
	// MaxPathBytes is the maximum length of a path.
	MaxPathBytes = 1024
)

const (
	// headerPrefix is the beginning of the path of a header.
	headerPrefix = "headers."
	// wholeValue is the path of the whole value.
	wholeValue = "data"
)

// segment is a name in a path, or a star.
type segment struct {
	name string
	any  bool
}

// covers reports whether each name that matches the other segment matches this one.
func (s segment) covers(other segment) bool { return s.any || s == other }

// path is where values are redacted: in the headers, whose names are one segment, or in
// the value of a record, all of it if there are no segments.
type path struct {
	header   bool
	segments []segment
}

// parsePath parses the text of a path.
func parsePath(text string) (path, error) {
	switch {
	case len(text) > MaxPathBytes:
		return path{}, fmt.Errorf("the path is longer than %d bytes", MaxPathBytes)
	case !utf8.ValidString(text):
		return path{}, errors.New("the path is not UTF-8")
	}
	if text == wholeValue {
		return path{}, nil
	}
	if name, ok := strings.CutPrefix(text, headerPrefix); ok {
		if name == "" {
			return path{}, errors.New("the path names no header: write headers.NAME")
		}
		return path{header: true, segments: []segment{segmentOf(name, name)}}, nil
	}
	pointer, ok := strings.CutPrefix(text, "/")
	if !ok {
		return path{}, fmt.Errorf("the path %q begins neither with a slash, as a JSON Pointer into the value does (/card/number), nor with %s, before the name of a header, and is not %s, for the whole value", text, headerPrefix, wholeValue)
	}
	parts := strings.Split(pointer, "/")
	if len(parts) > MaxDepth {
		return path{}, fmt.Errorf("the path %q has more than %d names", text, MaxDepth)
	}
	// The pointer would be valid, and would name a member whose name is empty.
	if parts[len(parts)-1] == "" {
		return path{}, fmt.Errorf("the path %q ends with a slash, behind which a name is missing", text)
	}
	made := path{segments: make([]segment, 0, len(parts))}
	for _, part := range parts {
		name, ok := unescapePart(part)
		if !ok {
			return path{}, fmt.Errorf("the path %q has a ~ that is followed by neither 0, for ~ itself, nor 1, for a slash", text)
		}
		made.segments = append(made.segments, segmentOf(part, name))
	}
	return made, nil
}

func segmentOf(text, name string) segment {
	if text == "*" {
		return segment{any: true}
	}
	return segment{name: name}
}

// unescapePart decodes a part of a JSON Pointer (RFC 6901, section 4).
func unescapePart(part string) (name string, ok bool) {
	for i := 0; i < len(part); i++ {
		if part[i] == '~' && (i+1 == len(part) || part[i+1] != '0' && part[i+1] != '1') {
			return "", false
		}
	}
	// The order of the replacements is prescribed.
	return strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"), true
}

// String returns the text of the path. Different paths have different texts.
func (p path) String() string {
	if p.header {
		return headerPrefix + p.segments[0].text(false)
	}
	if len(p.segments) == 0 {
		return wholeValue
	}
	var text strings.Builder
	for _, s := range p.segments {
		text.WriteByte('/')
		text.WriteString(s.text(true))
	}
	return text.String()
}

func (s segment) text(escaped bool) string {
	switch {
	case s.any:
		return "*"
	case escaped:
		return strings.ReplaceAll(strings.ReplaceAll(s.name, "~", "~0"), "/", "~1")
	}
	return s.name
}

// within returns the path of what lies both at one path or below it, and at the other or
// below it: it is as long as the longer of the two. It reports false if that is nothing.
func within(a, b path) (both path, ok bool) {
	if a.header != b.header {
		return path{}, false
	}
	if len(a.segments) < len(b.segments) {
		a, b = b, a
	}
	both = path{header: a.header, segments: slices.Clone(a.segments)}
	for i, s := range b.segments {
		switch {
		case s.covers(both.segments[i]):
		case both.segments[i].covers(s):
			both.segments[i] = s
		default:
			return path{}, false
		}
	}
	return both, true
}
