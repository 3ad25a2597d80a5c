package filter

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sort"
)

// Filter selects the records that a feed contains. It is immutable and safe for
// concurrent use. The zero value passes every record.
type Filter struct {
	keys []key // sorted by text, each once
	more *more // nil for a filter of only a few keys, or that passes all records
}

// more holds what few filters have.
type more struct {
	byHash  []int32      // indexes of the keys, sorted by hash; nil for a few keys
	nothing bool         // no record passes
	fields  []FieldSet   // sorted by their fields, one for each
	where   []*predicate // each once, in the order in which they are asked
}

var nothing = Filter{more: &more{nothing: true}}

// makeFilter returns a filter of keys, sets of fields and predicates.
func makeFilter(keys []key, fields []FieldSet, where []*predicate) Filter {
	f := Filter{keys: keys}
	byHash := sortByHash(keys)
	if byHash != nil || len(fields) > 0 || len(where) > 0 {
		f.more = &more{byHash: byHash, fields: fields, where: where}
	}
	return f
}

// Keys returns a filter that passes records with one of the keys. Without keys it
// passes none.
func Keys(keys ...string) Filter {
	if len(keys) == 0 {
		return nothing
	}
	return makeFilter(keysOf(keys), nil, nil)
}

// In returns a filter that passes records whose field has one of the values. A record
// without the field does not pass. Without values that a field can have, In passes no
// record.
func In(field Field, values ...Value) Filter {
	set, ok := newFieldSet(field, values)
	if !ok {
		return nothing
	}
	return makeFilter(nil, []FieldSet{set}, nil)
}

// Where returns a filter that passes the records that the predicate passes.
func Where(p Predicate) Filter {
	return makeFilter(nil, nil, []*predicate{newPredicate(p)})
}

// And returns a filter that passes the records that both filters pass. The
// predicates of then are asked only about records that f passes.
func (f Filter) And(then Filter) Filter {
	switch {
	case f.All() || then.Nothing():
		return then
	case then.All() || f.Nothing():
		return f
	}
	keys := f.keys
	switch {
	case len(keys) == 0:
		keys = then.keys
	case len(then.keys) > 0:
		if keys = intersection(f.keys, then.keys); len(keys) == 0 {
			return nothing
		}
	}
	fields, ok := joinFieldSets(f.FieldSets(), then.FieldSets())
	if !ok {
		return nothing
	}
	where := slices.Clone(f.where())
	for _, p := range then.where() {
		if !slices.ContainsFunc(where, p.is) {
			where = append(where, p)
		}
	}
	return makeFilter(keys, fields, where)
}

func (f *Filter) where() []*predicate {
	if f.more == nil {
		return nil
	}
	return f.more.where
}

// FieldSets returns the filter's sets of field values, which must not be changed.
func (f *Filter) FieldSets() []FieldSet {
	if f.more == nil {
		return nil
	}
	return f.more.fields
}

// Indexed returns the number of the filter's keys and field values together, which
// take memory in an index.
func (f *Filter) Indexed() int {
	n := len(f.keys)
	for _, set := range f.FieldSets() {
		n += set.Len()
	}
	return n
}

// All reports whether the filter passes every record.
func (f *Filter) All() bool { return len(f.keys) == 0 && f.more == nil }

// Nothing reports whether the filter passes no record, whatever its key.
func (f *Filter) Nothing() bool { return f.more != nil && f.more.nothing }

// KeysOnly reports whether the key of a record alone decides whether the filter passes
// it.
func (f *Filter) KeysOnly() bool { return len(f.FieldSets()) == 0 && !f.HasPredicates() }

// HasPredicates reports whether the filter has predicates.
func (f *Filter) HasPredicates() bool { return len(f.where()) > 0 }

// Keys returns the number of keys of the filter. If it is 0, the key of a record
// does not matter.
func (f *Filter) Keys() int { return len(f.keys) }

// Key returns the text of key i, in order, as events show it. It is empty for a
// key that is not UTF-8, which no record matches.
func (f *Filter) Key(i int) string { return f.keys[i].text }

// Index returns the index of the key with the given text, which must be one of
// the filter's.
func (f *Filter) Index(text string) int {
	return sort.Search(len(f.keys), func(i int) bool { return f.keys[i].text >= text })
}

// AnyKey reports whether the key of a record does not matter.
func (f *Filter) AnyKey() bool { return len(f.keys) == 0 && !f.Nothing() }

// HasKey reports whether a key, given by its hash and its text in an event, is
// one of the filter's.
func (f *Filter) HasKey(hash uint64, text []byte) bool {
	if f.more == nil || f.more.byHash == nil {
		for i := range f.keys {
			if k := &f.keys[i]; k.hash == hash && string(text) == k.text {
				return true
			}
		}
		return false
	}
	byHash := f.more.byHash
	i := sort.Search(len(byHash), func(i int) bool { return f.keys[byHash[i]].hash >= hash })
	for ; i < len(byHash) && f.keys[byHash[i]].hash == hash; i++ {
		if string(text) == f.keys[byHash[i]].text {
			return true
		}
	}
	return false
}

// Markers in canonical bytes. A key begins with a quotation mark.
const (
	canonicalNothing   = 0x00
	canonicalPredicate = 0x01
	canonicalField     = 0x02
	canonicalNoText    = 0xff // a key that is not UTF-8
)

// Canonical returns the bytes that identify the filter: two filters have equal
// bytes if and only if they are equal. The bytes are not meant to be parsed, or
// to be kept beyond the process.
func (f *Filter) Canonical() []byte {
	var b []byte
	for _, key := range f.keys {
		if key.text == "" {
			b = append(b, canonicalNoText)
		}
		b = append(b, key.text...)
	}
	return f.appendMore(b)
}

// appendMore appends the canonical bytes of all but the keys.
func (f *Filter) appendMore(b []byte) []byte {
	if f.Nothing() {
		b = append(b, canonicalNothing)
	}
	for _, set := range f.FieldSets() {
		b = append(b, canonicalField)
		b = appendText(b, set.field.text)
		b = binary.AppendUvarint(b, uint64(len(set.values)))
		for _, text := range set.values {
			b = appendText(b, text)
		}
	}
	for _, p := range f.where() {
		b = append(b, canonicalPredicate)
		b = appendText(b, p.id.Value())
	}
	return b
}

// appendText appends a text after its length.
func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// Equal reports whether the canonical bytes of both are equal.
func (f *Filter) Equal(other *Filter) bool {
	return f.Nothing() == other.Nothing() &&
		slices.EqualFunc(f.keys, other.keys, func(a, b key) bool { return a.text == b.text }) &&
		slices.EqualFunc(f.FieldSets(), other.FieldSets(), FieldSet.equal) &&
		slices.EqualFunc(f.where(), other.where(), (*predicate).is)
}

// Digest returns a short text that is the same for equal filters under the same key, and empty
// for a filter that passes every record. It is a name and does not identify the filter:
// other filters can have the same digest. Without the secret key nobody finds out by trial
// which keys and values of records, and values of claims, a filter has.
func (f *Filter) Digest(secret []byte) string {
	if f.All() {
		return ""
	}
	h := hmac.New(sha256.New, secret)
	for _, key := range f.keys {
		h.Write([]byte(key.text))
	}
	h.Write(f.appendMore(nil))
	return hex.EncodeToString(h.Sum(nil)[:8])
}
