package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
)

// maxTemplate bounds a template, and maxText a text that is made of one, in bytes.
const (
	maxTemplate = 256
	maxText     = 4 << 10
)

// Template makes a text of what is known about a publisher: `{sub}` is the subject of its
// credential, `{address}` its network address, `{now}` the time; any other name in braces
// is a claim, `{/realm/user}` one within another.
type Template struct {
	text  string
	parts []part
	tail  string // the text after the last name
	// between are the characters between names.
	between string
}

// part is a text and the name after it.
type part struct {
	text, name string
	claim      Pointer
}

// Names in braces that are no claims.
const (
	nameSubject = "sub"
	nameAddress = "address"
	nameNow     = "now"
)

// NewTemplate parses a template: 1 to 256 bytes with at least one name in braces, and a
// text between two of them.
func NewTemplate(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template is longer than %d bytes", maxTemplate)
	}
	t := &Template{text: text}
	rest := text
	for {
		before, after, ok := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, errors.New("the template has a brace without its counterpart")
		}
		if !plain(before) {
			return nil, errors.New("the template has a control character")
		}
		if !ok {
			t.tail = before
			break
		}
		name, left, ok := strings.Cut(after, "}")
		switch {
		case !ok || strings.Contains(name, "{"):
			return nil, errors.New("the template has a brace without its counterpart")
		case len(t.parts) > 0 && before == "":
			return nil, errors.New("two names of the template have nothing between them: different values would make the same text")
		case len(t.parts) > 0:
			t.between += before
		}
		p := part{text: before, name: name}
		path := name
		if !strings.HasPrefix(name, "/") {
			path = "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
		}
		var err error
		if p.claim, err = NewPointer(path); err != nil {
			return nil, fmt.Errorf("the name {%s} of the template is no claim: %w", name, err)
		}
		t.parts = append(t.parts, p)
		rest = left
	}
	if len(t.parts) == 0 {
		return nil, errors.New("the template has no name in braces, such as {sub}")
	}
	return t, nil
}

// String returns the template as it was written.
func (t *Template) String() string { return t.text }

// Has reports whether the template has one of the names in braces.
func (t *Template) Has(names ...string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return slices.Contains(names, p.name) })
}

// fill returns the text for a publisher at a time. Otherwise it returns the name in braces
// that has no value, or one that cannot stand in the text: a value that is missing, is
// neither a text nor an integer, has a control character, or, where the template has
// several names, a character that stands between two of them: `{tenant}.{sub}` would
// otherwise make the same text for `a.b` and `c` as for `a` and `b.c`.
func (t *Template) fill(by *ingest.Publisher, now string) (text, lacks string) {
	var b strings.Builder
	for _, p := range t.parts {
		value, ok := "", true
		switch p.name {
		case nameSubject:
			value = by.Subject
		case nameAddress:
			value = by.Address
		case nameNow:
			value = now
		default:
			value, ok = claim(by.Claims, p.claim)
		}
		// The separator counts for the server's own values too, but none of them has it
		// without the operator's seeing that.
		if !ok || value == "" || !plain(value) || p.name != nameNow && p.name != nameAddress && strings.ContainsAny(value, t.between) {
			return "", p.name
		}
		b.WriteString(p.text)
		b.WriteString(value)
	}
	b.WriteString(t.tail)
	if b.Len() > maxText {
		return "", t.parts[len(t.parts)-1].name
	}
	return b.String(), ""
}

// claim returns a claim as text.
func claim(claims []byte, at Pointer) (string, bool) {
	if len(claims) == 0 || jsonscan.TrimSpace(claims)[0] != '{' {
		return "", false
	}
	return plainText(at.in(claims))
}

// plain reports whether a text has no control characters, nor bytes that are not UTF-8.
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
