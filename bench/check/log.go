package check

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// Entry identifies a record by its offset in the partition and a sum of its key and
// value.
type Entry struct {
	Offset int64
	Sum    uint64
}

var seed = maphash.MakeSeed()

// Sum returns a hash of a record's key and value, stable within a process. A nil key
// differs from an empty one.
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

// Log is the content of a topic.
type Log struct {
	// Visible holds each partition's records that a read-committed client sees, by
	// offset.
	Visible [][]Entry
	// Aborted holds the offsets of records in aborted transactions.
	Aborted []map[int64]bool
}

// NewLog returns an empty log with a number of partitions.
func NewLog(partitions int) *Log {
	l := &Log{Visible: make([][]Entry, partitions), Aborted: make([]map[int64]bool, partitions)}
	for i := range l.Aborted {
		l.Aborted[i] = make(map[int64]bool)
	}
	return l
}

// Add adds a visible record. Offsets must rise within a partition.
func (l *Log) Add(partition int32, entry Entry) error {
	entries := l.Visible[partition]
	if n := len(entries); n > 0 && entries[n-1].Offset >= entry.Offset {
		return fmt.Errorf("add record: partition %d has offset %d after %d", partition, entry.Offset, entries[n-1].Offset)
	}
	l.Visible[partition] = append(entries, entry)
	return nil
}

// Len returns the number of visible records.
func (l *Log) Len() int {
	n := 0
	for _, entries := range l.Visible {
		n += len(entries)
	}
	return n
}

// find returns the index of the first visible record at or after offset, and whether
// it is at offset itself.
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
