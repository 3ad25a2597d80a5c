package record

import (
	"cmp"
	"encoding/hex"
	"slices"
)

// TopicID is the identity that Kafka gives a topic when it is created (KIP-516).
// A topic that is deleted and created again under its old name gets another id.
// It is all zeros if the brokers do not support topic ids.
type TopicID [16]byte

// IsZero reports whether the id is unset.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// String returns the id in hexadecimal digits.
func (id TopicID) String() string { return hex.EncodeToString(id[:]) }

// Topic is a topic as its cluster describes it at one time.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions int32
}

// PartitionOffset is where reading continues in one partition: the next offset,
// and the leader epoch of the record before it, or a later epoch at which the log
// is known to have had the offset; -1 if neither is known.
type PartitionOffset struct {
	Partition int32
	Epoch     int32
	Offset    int64
}

// Position is where reading continues in a topic. Offsets are sorted by partition
// and contain each partition at most once; a partition that is not among them has
// not been read from yet. A Position is never changed once it is shared: methods
// that change one return a copy, except Set.
type Position struct {
	Topic   TopicID
	Offsets []PartitionOffset
}

// Find returns the offset in a partition.
func (p Position) Find(partition int32) (PartitionOffset, bool) {
	i, ok := p.find(partition)
	if !ok {
		return PartitionOffset{}, false
	}
	return p.Offsets[i], true
}

// Offset returns the next offset in a partition, or missing if the position does
// not have the partition.
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

// Covers reports whether a reader at p has read everything before q: no partition
// of q has a higher offset than p has for it. Positions in different topics never
// cover each other.
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

// Only returns the position with only those offsets for which stays returns true.
func (p Position) Only(stays func(PartitionOffset) bool) Position {
	goes := func(at PartitionOffset) bool { return !stays(at) }
	if slices.ContainsFunc(p.Offsets, goes) {
		p.Offsets = slices.DeleteFunc(slices.Clone(p.Offsets), goes)
	}
	return p
}

// Set sets one offset in p itself, which the caller must own.
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

// MaxOffset is the largest offset that an event can carry: JavaScript's numbers
// are not exact beyond it (RFC 8259, section 6).
const MaxOffset = 1<<53 - 1

// SortOffsets sorts offsets by partition, as Position requires.
func SortOffsets(offsets []PartitionOffset) {
	slices.SortFunc(offsets, func(a, b PartitionOffset) int { return cmp.Compare(a.Partition, b.Partition) })
}
