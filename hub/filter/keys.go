package filter

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sort"

	"sluice/hub/event"
)

// fewKeys is how many keys are compared one after another.
const fewKeys = 8

type key struct {
	text string // as it stands in an event: quoted; "" for one that is not text
	hash uint64
}

var seed = maphash.MakeSeed()

// Hash is the hash of a record's key that [Filter.HasKey] asks for. It differs from
// process to process.
func Hash(key []byte) uint64 { return maphash.Bytes(seed, key) }

// keysOf sorts keys by their text and leaves each once.
func keysOf(texts []string) []key {
	keys := make([]key, 0, len(texts))
	for _, text := range texts {
		keys = append(keys, key{text: keyText(text), hash: maphash.String(seed, text)})
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.text, b.text) })
	// Keys that are not text have all the same one.
	return slices.CompactFunc(keys, func(a, b key) bool { return a.text == b.text })
}

// keyText is a key as it stands in an event.
func keyText(key string) string {
	text, isBase64 := event.AppendKey(nil, []byte(key))
	if isBase64 {
		return "" // not text, so that nothing can ask for it
	}
	return string(text)
}

// intersection gives the keys that both have.
func intersection(a, b []key) (both []key) {
	for _, k := range a {
		if _, ok := slices.BinarySearchFunc(b, k.text, func(k key, text string) int { return cmp.Compare(k.text, text) }); ok {
			both = append(both, k)
		}
	}
	return both
}

// sortByHash gives where the keys are in order of their hashes, nil for a few.
func sortByHash(keys []key) []int32 {
	if len(keys) <= fewKeys {
		return nil
	}
	byHash := make([]int32, len(keys))
	for i := range byHash {
		byHash[i] = int32(i)
	}
	slices.SortFunc(byHash, func(a, b int32) int { return cmp.Compare(keys[a].hash, keys[b].hash) })
	return byHash
}

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
