package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTemplateBytes bounds a template, maxTemplateName the names that it makes.
const (
	maxTemplateBytes = 256
	maxTemplateName  = 1024
)

// Template makes a name of the claims of an identity, such as `User:{sub}`. `{sub}` and
// `{iss}` are the identity's subject and issuer; any other name in braces is a claim,
// as in Grant.When: `{email}`, `{/realm/user}`.
//
// A template makes no name if a claim is missing, or is not a string or a number, or
// has a character that could give the name another meaning:
//   - an asterisk, which stands for everything in many places;
//   - a control character, an invisible one, or a space at either end;
//   - if the template has several claims, any character that stands between two of
//     them: otherwise `{tenant}.{sub}` would make the same name for `a.b` and `c` as for
//     `a` and `b.c`.
type Template struct {
	text  string
	parts []templatePart
	tail  string // the text after the last claim
	// between are the characters between claims.
	between string
}

// templatePart is a text and the claim after it.
type templatePart struct {
	text string
	path []string
}

// NewTemplate parses a template: 1 to 256 bytes with at least one claim. Between two
// claims there is a text.
func NewTemplate(text string) (*Template, error) {
	if len(text) > maxTemplateBytes {
		return nil, fmt.Errorf("the template is longer than %d bytes", maxTemplateBytes)
	}
	t := &Template{text: text}
	rest := text
	for {
		before, after, ok := strings.Cut(rest, "{")
		if !validTemplateText(before) {
			return nil, errors.New("the template has a brace without its counterpart, an asterisk, or a control character")
		}
		if !ok {
			t.tail = before
			break
		}
		name, left, ok := strings.Cut(after, "}")
		if !ok || strings.Contains(name, "{") {
			return nil, errors.New("the template has a brace without its counterpart")
		}
		if len(t.parts) > 0 {
			if before == "" {
				return nil, errors.New("two claims of the template have nothing between them: different claims would make the same name")
			}
			t.between += before
		}
		if name == "" || name == "/" {
			return nil, errors.New("the template has braces without the name of a claim")
		}
		path, err := claimPath(name)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, templatePart{text: before, path: path})
		rest = left
	}
	if len(t.parts) == 0 {
		return nil, errors.New("the template names no claim, such as {sub}: all principals would have the same name")
	}
	return t, nil
}

func validTemplateText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r == '}' || r == '*' || !unicode.IsGraphic(r)
	})
}

// String returns the template as it was written.
func (t *Template) String() string { return t.text }

// nameOf returns the name of an identity, "" for none.
func (t *Template) nameOf(id *Identity, c claims) string {
	if t == nil || id == nil {
		return ""
	}
	var name strings.Builder
	for _, part := range t.parts {
		value := valueOf(id, c, part.path)
		if !t.fits(value) {
			return ""
		}
		name.WriteString(part.text)
		name.WriteString(value)
	}
	name.WriteString(t.tail)
	if name.Len() > maxTemplateName {
		return ""
	}
	return name.String()
}

// valueOf returns a claim as text, "" if it has none.
func valueOf(id *Identity, c claims, path []string) string {
	if len(path) == 1 {
		// Not every Verifier repeats these among the claims.
		switch path[0] {
		case "sub":
			return id.Subject
		case "iss":
			return id.Issuer
		}
	}
	found, _ := c.find(path)
	switch found.(type) {
	case string, json.Number:
		return claimText(found)
	default:
		return ""
	}
}

// fits reports whether a value can stand in a name.
func (t *Template) fits(value string) bool {
	return value != "" && utf8.ValidString(value) && strings.TrimSpace(value) == value &&
		!strings.ContainsAny(value, t.between) &&
		!strings.ContainsFunc(value, func(r rune) bool {
			return r == '*' || !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r)
		})
}
