package filter

import (
	"encoding/binary"
	"slices"
	"strconv"

	"sluice/hub/record"
)

// Any returns a filter that passes the records that at least one of the filters
// passes. Without filters it passes none. It has no keys and fields that could be
// indexed: use it only where the union cannot be expressed by a predicate that has
// them.
func Any(filters ...Filter) Filter {
	kept := slices.DeleteFunc(slices.Clone(filters), func(f Filter) bool { return f.Nothing() })
	switch {
	case len(kept) == 0:
		return nothing
	case slices.ContainsFunc(kept, func(f Filter) bool { return f.All() }):
		return Filter{}
	case len(kept) == 1:
		return kept[0]
	}
	return Where(newAnyOf(kept))
}

// anyOf is the predicate of Any.
type anyOf struct {
	filters   []Filter
	canonical string
}

func newAnyOf(filters []Filter) anyOf {
	text := []byte("any\x00")
	for i := range filters {
		one := filters[i].Canonical()
		text = binary.AppendUvarint(text, uint64(len(one)))
		text = append(text, one...)
	}
	return anyOf{filters: filters, canonical: string(text)}
}

// Canonical implements Predicate.
func (a anyOf) Canonical() string { return a.canonical }

// Passes implements Predicate. If no filter passes the record and one of them cannot
// decide, neither can the union.
func (a anyOf) Passes(r *Record) (bool, error) {
	var failed error
	for i := range a.filters {
		passes, err := a.filters[i].Passes(r)
		if passes && err == nil {
			return true, nil
		}
		if err != nil {
			failed = err
		}
	}
	return false, failed
}

// since is the predicate of Since.
type since struct {
	from      []record.PartitionOffset // sorted by partition
	canonical string
}

// Since returns a predicate that passes the records from an offset of their partition
// on. It passes all records of partitions that are not listed.
func Since(from []record.PartitionOffset) Predicate {
	from = slices.Clone(from)
	record.SortOffsets(from)
	text := []byte("since\x00")
	for _, at := range from {
		text = strconv.AppendInt(append(text, ' '), int64(at.Partition), 10)
		text = strconv.AppendInt(append(text, ':'), at.Offset, 10)
	}
	return since{from: from, canonical: string(text)}
}

// Canonical implements Predicate.
func (s since) Canonical() string { return s.canonical }

// Passes implements Predicate.
func (s since) Passes(r *Record) (bool, error) {
	for _, at := range s.from {
		if at.Partition == r.Partition {
			return r.Offset >= at.Offset, nil
		}
	}
	return true, nil
}

// KeyPrefix returns a predicate that passes the records whose key begins with a text.
func KeyPrefix(prefix string) Predicate { return keyPrefix(prefix) }

type keyPrefix string

// Canonical implements Predicate.
func (p keyPrefix) Canonical() string { return "prefix\x00" + string(p) }

// Passes implements Predicate.
func (p keyPrefix) Passes(r *Record) (bool, error) {
	key, ok := r.Key()
	return ok && len(key) >= len(p) && key[:len(p)] == string(p), nil
}
