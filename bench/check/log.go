package check

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// Entry is a record in short: where it is in its partition, and a sum of its
// key and value.
type Entry struct {
	Offset int64
	Sum    uint64
}

var seed = maphash.MakeSeed()

// Sum is a digest of a record's key and value, the same throughout a process. A
// nil key differs from an empty one.
func Sum(key, value []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	if key != nil {
		h.WriteByte(1)
		h.Write(key)
	}
	h.WriteByte(0)
	h.Write(value)
	return h.Sum64()
}

// Log is what a topic holds.
type Log struct {
	// Visible holds each partition's records that a read-committed client
	// sees, by offset.
	Visible [][]Entry
	// Aborted holds the offsets of records in aborted transactions.
	Aborted []map[int64]bool
}

// NewLog returns the log of a topic with so many partitions, empty.
func NewLog(partitions int) *Log {
	l := &Log{Visible: make([][]Entry, partitions), Aborted: make([]map[int64]bool, partitions)}
	for i := range l.Aborted {
		l.Aborted[i] = make(map[int64]bool)
	}
	return l
}

// Add takes a visible record. Offsets must rise within a partition.
func (l *Log) Add(partition int32, entry Entry) error {
	entries := l.Visible[partition]
	if n := len(entries); n > 0 && entries[n-1].Offset >= entry.Offset {
		return fmt.Errorf("add record: partition %d has offset %d after %d", partition, entry.Offset, entries[n-1].Offset)
	}
	l.Visible[partition] = append(entries, entry)
	return nil
}

// Len is the number of visible records.
func (l *Log) Len() int {
	n := 0
	for _, entries := range l.Visible {
		n += len(entries)
	}
	return n
}

// find is the place of the first visible record at offset or behind it, and
// whether it is at offset itself.
func (l *Log) find(partition int32, offset int64) (int, bool) {
	return slices.BinarySearchFunc(l.Visible[partition], offset, func(e Entry, want int64) int {
		switch {
		case e.Offset < want:
			return -1
		case e.Offset > want:
			return 1
		}
		return 0
	})
}
