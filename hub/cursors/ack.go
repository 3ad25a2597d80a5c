package cursors

import (
	"maps"
	"time"

	"sluice/hub/record"
)

// Ack is the position that a client has acknowledged, for its named cursor.
type Ack struct {
	Position record.Position
	// At is when the position was created.
	At     time.Time
	Breaks Breaks
}

// Breaks counts how often a subscription has notified its client that earlier
// positions are void. An ack with more breaks replaces the stored position even
// if it is lower; an ack with fewer breaks is late.
type Breaks struct {
	// Topic counts how often the topic was deleted and created again
	// (log_changed). A subscription that ignores the stored position begins with
	// 1.
	Topic uint32
	// Partitions counts, for each partition, how often its log was truncated
	// (truncated). The map is never changed.
	Partitions map[int32]uint32
}

// Of returns how often positions in a partition have become void.
func (b Breaks) Of(partition int32) uint32 { return b.Topic + b.Partitions[partition] }

// And returns the breaks with one more: of the topic, if it was created again,
// and of each partition whose log was truncated.
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
