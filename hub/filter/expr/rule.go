package expr

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/hub/filter"
)

// Rule compiles the text of a rule. The error is an *Error.
func (l *Language) Rule(text string) (*Rule, error) {
	return l.ruleIn(l.rule, ruleKey{text: text})
}

// PublishRule is like Rule for a rule about records that are not stored yet, which have no
// partition, offset and timestamp.
func (l *Language) PublishRule(text string) (*Rule, error) {
	r, err := l.ruleIn(l.unstored, ruleKey{text, true})
	if fault, ok := errors.AsType[*Error](err); ok {
		return nil, fault.explained(varTS, varPartition, varOffset)
	}
	return r, err
}

// explained returns the error with the reason why there are no such variables.
func (e *Error) explained(names ...string) *Error {
	e = &Error{Places: slices.Clone(e.Places)}
	for i, p := range e.Places {
		for _, name := range names {
			if strings.HasPrefix(p.Message, "undeclared reference to '"+name+"'") {
				e.Places[i].Message = name + " is not known of a record that is to be published: it gets one when it is stored"
			}
		}
	}
	return e
}

func (l *Language) ruleIn(env environment, key ruleKey) (*Rule, error) {
	if r, ok := l.rules.get(key); ok {
		return r, nil
	}
	checked, err := l.read(env, key.text)
	if err != nil {
		return nil, err
	}
	r := &Rule{language: l, text: key.text, checked: checked}
	l.rules.put(key, r, bytesOfRule(checked, key.text))
	return r, nil
}

// String returns the text as it was written.
func (r *Rule) String() string { return r.text }

// For returns the filter that passes the records which at least one of the rules lets
// a principal with the claims have. Claims are a JSON object, or nil for none. Without
// rules it passes none. The rules must be of one language.
//
// Principals for whom the same text remains have equal filters, and so has a principal
// whose claims change where no rule looks at them.
func For(claims []byte, rules ...*Rule) (filter.Filter, error) {
	if len(rules) == 0 {
		return filter.Keys(), nil
	}
	l := rules[0].language
	h := sha256.New()
	for _, r := range rules {
		_, _ = fmt.Fprintf(h, "%d %s\n", len(r.text), r.text)
	}
	h.Write(claims)
	key := [sha256.Size]byte(h.Sum(nil))
	if made, ok := l.unions.get(key); ok {
		return made.filter, nil
	}
	made, err := l.union(claims, rules)
	if err != nil {
		return filter.Filter{}, err
	}
	l.unions.put(key, made, made.bytes)
	return made.filter, nil
}

func (l *Language) union(claims []byte, rules []*Rule) (compiled, error) {
	known := membersOf(claims)
	var texts []string
	for _, r := range rules {
		rest, err := known.rest(l, r.checked)
		switch {
		case err != nil:
			return compiled{}, err
		case rest.verdict == always:
			return compiled{bytes: filterBytes}, nil
		case rest.verdict == depends:
			texts = append(texts, rest.text)
		}
	}
	if len(texts) == 0 {
		return compiled{filter.Keys(), filterBytes}, nil
	}
	made, err := l.joined(texts, known)
	if err == nil {
		return made, nil
	}
	// With the values of these claims the text has no types that fit, such as a field of
	// a string. The rules are evaluated on each record as they stand.
	texts = texts[:0]
	for _, r := range rules {
		texts = append(texts, r.text)
	}
	return l.joined(texts, known)
}

// joined compiles a disjunction of texts.
func (l *Language) joined(texts []string, known members) (compiled, error) {
	// A text can end with a comment.
	checked, err := l.check(l.rule, "("+strings.Join(texts, "\n) || (")+"\n)")
	if err != nil {
		return compiled{}, fmt.Errorf("compile rules: %w", err)
	}
	return l.filterOf(checked, known.used(checked.Expr()))
}
