package filter

import (
	"cmp"
	"hash/maphash"
	"slices"

	"sluice/hub/event"
)

// fewKeys is the largest number of keys that are compared one by one.
const fewKeys = 8

type key struct {
	text string // as in an event: quoted; "" for a key that is not UTF-8
	hash uint64
}

var seed = maphash.MakeSeed()

// Hash returns the hash of a record's key for [Filter.HasKey]. It differs between
// processes.
func Hash(key []byte) uint64 { return maphash.Bytes(seed, key) }

// keysOf sorts keys by their text and removes duplicates.
func keysOf(texts []string) []key {
	keys := make([]key, 0, len(texts))
	for _, text := range texts {
		keys = append(keys, key{text: keyText(text), hash: maphash.String(seed, text)})
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.text, b.text) })
	// Keys that are not UTF-8 all have the same text.
	return slices.CompactFunc(keys, func(a, b key) bool { return a.text == b.text })
}

// keyText returns the text of a key in an event.
func keyText(key string) string {
	text, isBase64 := event.AppendKey(nil, []byte(key))
	if isBase64 {
		return "" // not UTF-8, so that no record matches it
	}
	return string(text)
}

// intersection returns the keys that are in both sets.
func intersection(a, b []key) (both []key) {
	for _, k := range a {
		if _, ok := slices.BinarySearchFunc(b, k.text, func(k key, text string) int { return cmp.Compare(k.text, text) }); ok {
			both = append(both, k)
		}
	}
	return both
}

// sortByHash returns the indexes of the keys in order of their hashes, nil for a
// few keys.
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
