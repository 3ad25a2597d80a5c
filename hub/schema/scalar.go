package schema

import (
	"bytes"
	"unicode/utf8"
)

func (r *run) checkText(s *node, at int32) bool {
	t, ok := s.text, true
	content := r.content(at)
	if t.minLength >= 0 || t.maxLength >= 0 {
		r.spend(len(content) / 64)
		n := utf8.RuneCount(content)
		if t.minLength >= 0 && n < t.minLength {
			ok = r.fail(finding{what: keywordMinLength, at: at, of: s})
		}
		if t.maxLength >= 0 && n > t.maxLength {
			ok = r.fail(finding{what: keywordMaxLength, at: at, of: s})
		}
	}
	if t.pattern != nil && !r.matches(t.pattern, content) {
		ok = r.fail(finding{what: keywordPattern, at: at, of: s})
	}
	if t.format != nil {
		r.spend(len(content) / 16)
		if !t.format.valid(string(content)) {
			ok = r.fail(finding{what: keywordFormat, at: at, of: s})
		}
	}
	return ok
}

// matches reports whether a pattern is found in a text.
func (r *run) matches(p *pattern, text []byte) bool {
	return r.spend(p.steps(len(text))) && p.Match(text)
}

func (r *run) checkNumber(s *node, at int32) bool {
	n, ok := s.number, true
	r.number(&r.first, at)
	if n.minimum != nil && r.first.compare(&n.minimum.decimal) < 0 {
		ok = r.fail(finding{what: keywordMinimum, at: at, of: s})
	}
	if n.maximum != nil && r.first.compare(&n.maximum.decimal) > 0 {
		ok = r.fail(finding{what: keywordMaximum, at: at, of: s})
	}
	if n.exclusiveMinimum != nil && r.first.compare(&n.exclusiveMinimum.decimal) <= 0 {
		ok = r.fail(finding{what: keywordExclusiveMinimum, at: at, of: s})
	}
	if n.exclusiveMaximum != nil && r.first.compare(&n.exclusiveMaximum.decimal) >= 0 {
		ok = r.fail(finding{what: keywordExclusiveMaximum, at: at, of: s})
	}
	if n.multipleOf != nil && !n.multipleOf.divides(&r.first) {
		ok = r.fail(finding{what: keywordMultipleOf, at: at, of: s})
	}
	return ok
}

func (r *run) isInteger(s *node, at int32) bool {
	if s.plainIntegers {
		text := r.text(at)
		return r.spend(len(text)/16) && !bytes.ContainsAny(text, ".eE")
	}
	r.number(&r.first, at)
	return r.first.IsInteger()
}
