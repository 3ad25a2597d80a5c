package record

import (
	"cmp"
	"encoding/hex"
	"slices"
)

// TopicID is the identity that Kafka gives a topic when it is made (KIP-516).
// A topic that is deleted and made again under its old name has another one.
// It is all zeros where the brokers have no topic ids.
type TopicID [16]byte

// IsZero reports whether the brokers gave no identity.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// String gives the id in hexadecimal digits.
func (id TopicID) String() string { return hex.EncodeToString(id[:]) }

// Topic is a topic as its cluster describes it at one moment.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions int32
}

// PartitionOffset is where reading goes on in one partition: the next offset wanted, and
// the leader epoch of the record before it, or a later one at which the log is
// known to have had the place; -1 when neither is known.
type PartitionOffset struct {
	Partition int32
	Epoch     int32
	Offset    int64
}

// Position is where reading goes on in a topic. Offsets are sorted by partition
// and hold each partition at most once; a partition that is not among them has
// not been read from yet. A Position is never changed once it is shared: every
// method that moves one returns another.
type Position struct {
	Topic   TopicID
	Offsets []PartitionOffset
}

// Find gives the offset in a partition.
func (p Position) Find(partition int32) (PartitionOffset, bool) {
	i, ok := p.find(partition)
	if !ok {
		return PartitionOffset{}, false
	}
	return p.Offsets[i], true
}

// Offset is the next offset wanted of a partition, or missing where the
// position has none.
func (p Position) Offset(partition int32, missing int64) int64 {
	if i, ok := p.find(partition); ok {
		return p.Offsets[i].Offset
	}
	return missing
}

// Clone returns a copy that shares no memory with p.
func (p Position) Clone() Position {
	p.Offsets = slices.Clone(p.Offsets)
	return p
}

// Covers reports whether whoever has read up to p has had everything that
// precedes q: no partition of q begins behind the place that p has in it.
// Positions in different topics never cover each other.
func (p Position) Covers(q Position) bool {
	if p.Topic != q.Topic {
		return false
	}
	for _, at := range q.Offsets {
		if p.Offset(at.Partition, 0) < at.Offset {
			return false
		}
	}
	return true
}

// Only gives the position with those offsets that are to stay.
func (p Position) Only(stays func(PartitionOffset) bool) Position {
	goes := func(at PartitionOffset) bool { return !stays(at) }
	if slices.ContainsFunc(p.Offsets, goes) {
		p.Offsets = slices.DeleteFunc(slices.Clone(p.Offsets), goes)
	}
	return p
}

// Set moves one offset in p itself, which the caller must own.
func (p *Position) Set(at PartitionOffset) {
	i, ok := p.find(at.Partition)
	if ok {
		p.Offsets[i] = at
		return
	}
	p.Offsets = slices.Insert(p.Offsets, i, at)
}

func (p Position) find(partition int32) (int, bool) {
	// Partitions are almost always 0..n-1, so the index is the partition.
	if i := int(partition); i >= 0 && i < len(p.Offsets) && p.Offsets[i].Partition == partition {
		return i, true
	}
	return slices.BinarySearchFunc(p.Offsets, partition, func(at PartitionOffset, want int32) int {
		return int(at.Partition) - int(want)
	})
}

// MaxOffset is the largest offset that an event can carry: beyond it JavaScript's
// numbers are no longer exact (RFC 8259, section 6).
const MaxOffset = 1<<53 - 1

// SortOffsets sorts by partition, as a Position has its offsets.
func SortOffsets(offsets []PartitionOffset) {
	slices.SortFunc(offsets, func(a, b PartitionOffset) int { return cmp.Compare(a.Partition, b.Partition) })
}
