// Package upstream says what Sluice asks of a Kafka cluster: a Source reads topics by
// position, a Producer stores messages. Adapters implement both, the hub uses them.
package upstream

import (
	"context"
	"errors"
	"time"

	"sluice/hub/record"
)

// Source reads the topics of one Kafka cluster by position, without a consumer
// group. All methods are safe for concurrent use and return when their context
// ends.
//
// A Source is read-committed: records of aborted transactions and control
// records never reach a visitor, yet positions pass over them.
type Source interface {
	// Topic describes a topic as it is now. It returns ErrUnknownTopic when
	// the cluster certainly has none of that name, which may take some seconds
	// to find out, and ErrSourceUnavailable when it cannot be asked. It never
	// creates a topic.
	Topic(ctx context.Context, name string) (record.Topic, error)

	// Offsets resolves where a topic begins, ends, or was at some time, for
	// every partition, sorted by partition.
	Offsets(ctx context.Context, topic record.Topic, at OffsetSpec) ([]record.PartitionOffset, error)

	// Read reads once from each of the places, some maxBytes in all, and calls
	// visit in turn for each partition that has something to tell. It does not
	// wait for new records. A partition whose place is at its tip may be
	// visited with no records. It returns ErrLogChanged when the topic is no
	// longer the one described.
	Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*Fetched)) error

	// Follow reads the topic from the given places for as long as the context
	// lives, through leader changes and outages, and hands what it reads to the
	// sink from one goroutine at a time. Partitions that are added to the topic
	// later are followed from their beginning. It returns ErrLogChanged once
	// the topic has been deleted or made again (nothing of another topic ever
	// reaches the sink), or the context's error; never for a reason that can
	// pass.
	Follow(ctx context.Context, topic record.Topic, from []record.PartitionOffset, sink Sink) error
}

// Sink takes what a Source follows. Calls never overlap.
type Sink interface {
	// Append takes what one fetch brought for a topic, a Fetched for each of
	// its partitions. Nothing that the batch refers to may be kept after
	// Append returns. While Append runs the source goes on without this sink,
	// and continues behind the batch when it has returned.
	Append(batch []*Fetched)

	// Live tells whether the topic can be read: false with the cause when any
	// of its partitions has been out of reach for longer than a moment, true
	// when all can be read again. Only changes are told.
	Live(live bool, cause error)
}

// Fetched is what a read brought from one partition. It is valid until the
// function that it was handed to returns.
type Fetched struct {
	Partition int32
	// Gap is set where something before the records cannot be delivered.
	Gap *record.Gap
	// Next is where reading goes on behind the records, control batches and
	// aborted transactions that were passed over.
	Next record.PartitionOffset
	// Start and Tip bound what the partition had when it was read: the first
	// offset kept and the last stable offset. -1 when not known.
	Start, Tip int64
	// Bytes is about how much memory the records take.
	Bytes int
	// Each calls yield with each visible record in order of offset, until
	// yield returns false. The record and all it refers to are reused for the
	// next. Nil when there are none.
	Each func(yield func(*record.Record) bool)
}

// BehindGap is the place behind the gap. Where Next is further, its epoch may be
// a later one already.
func (f *Fetched) BehindGap() record.PartitionOffset {
	to := record.PartitionOffset{Partition: f.Partition, Epoch: -1, Offset: f.Gap.Behind()}
	if f.Each == nil && f.Next.Offset == to.Offset {
		to.Epoch = f.Next.Epoch
	}
	return to
}

// OffsetSpec names a point in a topic. The zero value is its tip.
type OffsetSpec struct {
	kind offsetKind
	time time.Time
}

type offsetKind uint8

const (
	offsetTip offsetKind = iota
	offsetEarliest
	offsetTime
)

// Tip is the last stable offset of each partition.
func Tip() OffsetSpec { return OffsetSpec{} }

// Earliest is the first offset that each partition keeps.
func Earliest() OffsetSpec { return OffsetSpec{kind: offsetEarliest} }

// At is, in each partition, the first offset whose timestamp is not earlier
// than t, and the tip where there is none. Timestamps are in milliseconds, so
// what lies between two of them is the later one.
func At(t time.Time) OffsetSpec {
	whole := t.Truncate(time.Millisecond)
	if whole.Before(t) {
		whole = whole.Add(time.Millisecond)
	}
	return OffsetSpec{kind: offsetTime, time: whole}
}

// IsEarliest reports whether m is where the topic begins.
func (m OffsetSpec) IsEarliest() bool { return m.kind == offsetEarliest }

// Time is the time of a moment made by At.
func (m OffsetSpec) Time() (time.Time, bool) { return m.time, m.kind == offsetTime }

// Errors of a Source.
var (
	// ErrUnknownTopic: the cluster certainly has no topic of that name.
	ErrUnknownTopic = errors.New("unknown topic")
	// ErrLogChanged: the topic has another identity than the one asked for.
	ErrLogChanged = errors.New("the topic was deleted or made again")
	// ErrSourceUnavailable: the cluster cannot be reached, or refuses us.
	ErrSourceUnavailable = errors.New("kafka is unavailable")
)
