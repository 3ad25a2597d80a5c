package cursors

import (
	"maps"
	"time"

	"sluice/hub/record"
)

// Ack is how far a client has got, as a named cursor keeps it.
type Ack struct {
	Position record.Position
	// At is when the position was made.
	At     time.Time
	Breaks Breaks
}

// Breaks counts how often a subscription has told its client that positions
// known so far are void. What it acks after that replaces what is stored,
// whether that is higher or not; what it acked before is late.
type Breaks struct {
	// Topic counts the topic being made again (log_changed). A subscription
	// that passes over what is stored begins with one.
	Topic uint32
	// Partitions counts, for each partition, its log being cut short
	// (truncated). It is never changed.
	Partitions map[int32]uint32
}

// Of is how often positions in a partition have become void.
func (b Breaks) Of(partition int32) uint32 { return b.Topic + b.Partitions[partition] }

// And adds a break: the topic was made again, the logs of partitions were cut short.
func (b Breaks) And(topic bool, cut []int32) Breaks {
	if topic {
		b.Topic++
	}
	if len(cut) == 0 {
		return b
	}
	all := make(map[int32]uint32, len(b.Partitions)+len(cut))
	maps.Copy(all, b.Partitions)
	for _, partition := range cut {
		all[partition]++
	}
	b.Partitions = all
	return b
}
