package filter

import (
	"strconv"

	"sluice/hub/redact"
)

// Redacted returns the filter that passes the records of which the filter passes what
// remains under a redaction: it cannot look at what is hidden, so that which records pass
// does not depend on it. Sets of fields that the redaction does not touch remain sets,
// which are found by index.
func Redacted(f Filter, under *redact.Redaction) Filter {
	if under == nil || f.more == nil || f.Nothing() {
		return f
	}
	var (
		fields []FieldSet
		where  []*predicate
	)
	for _, set := range f.FieldSets() {
		if set.field.touched(under) {
			where = append(where, newPredicate(redactedPredicate{under, among{set}}))
		} else {
			fields = append(fields, set)
		}
	}
	for _, p := range f.where() {
		switch p.of.(type) {
		case keyPrefix, since:
			// Keys and offsets are not hidden.
			where = append(where, p)
		default:
			where = append(where, newPredicate(redactedPredicate{under, p.of}))
		}
	}
	return makeFilter(f.keys, fields, where)
}

// touched reports whether a redaction can change the value of the field.
func (f Field) touched(under *redact.Redaction) bool {
	if name, ok := f.header(); ok {
		return under.TouchesHeader(name)
	}
	path, ok := f.data()
	var names []string
	for path != "" {
		var name string
		name, path = split(path)
		names = append(names, name)
	}
	return !ok || under.TouchesData(names...)
}

// redactedPredicate is a predicate on what remains of a record.
type redactedPredicate struct {
	under *redact.Redaction
	of    Predicate
}

// Canonical implements Predicate.
func (p redactedPredicate) Canonical() string {
	under := p.under.Canonical()
	return "redacted\x00" + strconv.Itoa(len(under)) + " " + under + p.of.Canonical()
}

// Passes implements Predicate.
func (p redactedPredicate) Passes(r *Record) (bool, error) { return p.of.Passes(r.Under(p.under)) }

// among is the predicate of a set of a field's values.
type among struct{ set FieldSet }

// Canonical implements Predicate.
func (a among) Canonical() string {
	f := makeFilter(nil, []FieldSet{a.set}, nil)
	return "field\x00" + string(f.Canonical())
}

// Passes implements Predicate.
func (a among) Passes(r *Record) (bool, error) { return a.set.passes(r), nil }
