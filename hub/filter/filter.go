package filter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sort"
)

// Filter says which records a feed has. It never changes and is safe for
// concurrent use. The zero value passes every record.
type Filter struct {
	keys []key // sorted by text, each once
	more *more // nil for a few keys, or for all records, and nothing else
}

// more is what few filters have.
type more struct {
	byHash  []int32      // where the keys are, sorted by hash; nil for a few
	nothing bool         // no record passes
	where   []*predicate // each once, in the order in which they are asked
}

var nothing = Filter{more: &more{nothing: true}}

// makeFilter joins what a filter is made of.
func makeFilter(keys []key, where []*predicate) Filter {
	f := Filter{keys: keys}
	byHash := sortByHash(keys)
	if byHash != nil || len(where) > 0 {
		f.more = &more{byHash: byHash, where: where}
	}
	return f
}

// Keys passes records that have one of the keys. Without any it passes none.
func Keys(keys ...string) Filter {
	if len(keys) == 0 {
		return nothing
	}
	return makeFilter(keysOf(keys), nil)
}

// Where passes the records that the predicate passes.
func Where(p Predicate) Filter {
	return makeFilter(nil, []*predicate{newPredicate(p)})
}

// And passes what both filters pass. The predicates of then are asked only about
// records that f passes.
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
	where := slices.Clone(f.where())
	for _, p := range then.where() {
		if !slices.ContainsFunc(where, p.is) {
			where = append(where, p)
		}
	}
	return makeFilter(keys, where)
}

func (f *Filter) where() []*predicate {
	if f.more == nil {
		return nil
	}
	return f.more.where
}

// All reports whether the filter passes every record.
func (f *Filter) All() bool { return len(f.keys) == 0 && f.more == nil }

// Nothing reports whether the filter passes no record, whatever its key.
func (f *Filter) Nothing() bool { return f.more != nil && f.more.nothing }

// HasPredicates reports whether records have to be asked about.
func (f *Filter) HasPredicates() bool { return len(f.where()) > 0 }

// Keys is how many keys the filter has; with 0 the key of a record does not matter.
func (f *Filter) Keys() int { return len(f.keys) }

// Key is the text of key i, in order, as it stands in an event; empty for one that is
// not UTF-8 and that therefore no record has.
func (f *Filter) Key(i int) string { return f.keys[i].text }

// Index is which of the keys has a text that one of them has.
func (f *Filter) Index(text string) int {
	return sort.Search(len(f.keys), func(i int) bool { return f.keys[i].text >= text })
}

// AnyKey reports whether the key of a record does not matter.
func (f *Filter) AnyKey() bool { return len(f.keys) == 0 && !f.Nothing() }

// HasKey reports whether a key, of which the hash and the text in an event are
// given, is one of the filter's.
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

// What canonical bytes are made of. A key begins with a quotation mark.
const (
	canonicalNothing   = 0x00
	canonicalPredicate = 0x01
	canonicalNoText    = 0xff // a key that is not text
)

// Canonical are the bytes that the filter is known by: equal for equal filters, and
// for no others. They are not made to be parsed, or to be kept beyond the process.
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

// appendMore appends what is canonical of all but the keys.
func (f *Filter) appendMore(b []byte) []byte {
	if f.Nothing() {
		b = append(b, canonicalNothing)
	}
	for _, p := range f.where() {
		text := p.id.Value()
		b = append(b, canonicalPredicate)
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

// Equal reports whether the canonical bytes of both are equal.
func (f *Filter) Equal(other *Filter) bool {
	return f.Nothing() == other.Nothing() &&
		slices.EqualFunc(f.keys, other.keys, func(a, b key) bool { return a.text == b.text }) &&
		slices.EqualFunc(f.where(), other.where(), (*predicate).is)
}

// Digest is a short text that is the same for equal filters, and empty for one that
// passes every record. It names a filter, and is not what one is known by: others can
// have it too.
func (f *Filter) Digest() string {
	if f.All() {
		return ""
	}
	h := sha256.New()
	for _, key := range f.keys {
		h.Write([]byte(key.text))
	}
	h.Write(f.appendMore(nil))
	return hex.EncodeToString(h.Sum(nil)[:8])
}
