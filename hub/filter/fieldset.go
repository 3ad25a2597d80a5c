package filter

import (
	"cmp"
	"slices"
)

// FieldSet is a field and the values of it that a filter passes. It is immutable.
type FieldSet struct {
	field  Field
	values []string // the texts of the values: sorted, each once, at least one
}

// newFieldSet reports false for a set that no record can match.
func newFieldSet(field Field, values []Value) (FieldSet, bool) {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		if v.text != "" {
			texts = append(texts, v.text)
		}
	}
	slices.Sort(texts)
	texts = slices.Clip(slices.Compact(texts))
	return FieldSet{field: field, values: texts}, field.text != "" && len(texts) > 0
}

// Field returns the field.
func (s *FieldSet) Field() Field { return s.field }

// Len returns the number of values, which is at least 1.
func (s *FieldSet) Len() int { return len(s.values) }

// Value returns the text of value i, in order, as [Fields.All] yields it.
func (s *FieldSet) Value(i int) string { return s.values[i] }

// Index returns the index of the value with the given text, which must be one of the
// set's.
func (s *FieldSet) Index(text string) int {
	i, _ := slices.BinarySearch(s.values, text)
	return i
}

// passes reports whether the field of a record is one of the values.
func (s *FieldSet) passes(r *Record) bool {
	text, ok := r.value(s.field)
	if !ok {
		return false
	}
	low, high := 0, len(s.values)
	for low < high {
		// Comparing converted bytes does not allocate.
		switch mid := (low + high) / 2; {
		case s.values[mid] == string(text):
			return true
		case s.values[mid] < string(text):
			low = mid + 1
		default:
			high = mid
		}
	}
	return false
}

func (s FieldSet) equal(other FieldSet) bool {
	return s.field == other.field && slices.Equal(s.values, other.values)
}

// joinFieldSets returns the sets of two filters, which both apply. Sets are sorted by
// their fields, and there is one for each field. It reports false if no record can
// match all of them.
func joinFieldSets(a, b []FieldSet) (both []FieldSet, ok bool) {
	if len(a) == 0 || len(b) == 0 {
		return append(a[:len(a):len(a)], b...), true
	}
	both = make([]FieldSet, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch cmp.Compare(a[0].field.text, b[0].field.text) {
		case -1:
			both, a = append(both, a[0]), a[1:]
		case 1:
			both, b = append(both, b[0]), b[1:]
		default:
			set := FieldSet{field: a[0].field, values: common(a[0].values, b[0].values)}
			if len(set.values) == 0 {
				return nil, false
			}
			both, a, b = append(both, set), a[1:], b[1:]
		}
	}
	return append(append(both, a...), b...), true
}

// common returns the texts that are in both of two sorted lists.
func common(a, b []string) []string {
	if len(b) < len(a) {
		a, b = b, a
	}
	var both []string
	for _, text := range a {
		if _, ok := slices.BinarySearch(b, text); ok {
			both = append(both, text)
		}
	}
	return both
}
