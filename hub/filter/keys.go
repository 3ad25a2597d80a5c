package filter

import (
	"cmp"
	"hash/maphash"
	"slices"

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
