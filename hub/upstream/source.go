// Package upstream defines what Sluice requires of a Kafka cluster: a Source
// reads topics by position, a Producer stores messages. Adapters implement both,
// the hub uses them.
package upstream

import (
	"context"
	"errors"
	"time"

	"sluice/hub/record"
)

// Forgetter is implemented by a Source or Producer that keeps something for each topic
// that it was asked about. Forget releases that, for a topic that is not used any more. A
// topic that is asked about again is like a new one.
type Forgetter interface{ Forget(topic string) }

// Source reads the topics of one Kafka cluster by position, without a consumer
// group. All methods are safe for concurrent use and return when their context
// ends.
//
// A Source reads committed: records of aborted transactions and control records
// are never delivered, but positions advance over them.
type Source interface {
	// Topic describes a topic as it is now. It returns ErrUnknownTopic if the
	// cluster certainly has no topic of that name, which may take some seconds to
	// find out, and ErrSourceUnavailable if the cluster cannot be asked. It never
	// creates a topic.
	Topic(ctx context.Context, name string) (record.Topic, error)

	// Offsets returns where a topic begins, ends, or was at some time, for every
	// partition, sorted by partition.
	Offsets(ctx context.Context, topic record.Topic, at OffsetSpec) ([]record.PartitionOffset, error)

	// Read reads once from each of the offsets, about maxBytes in total, and
	// calls visit in turn for each partition that has something to report. It
	// does not wait for new records. A partition whose offset is at its tip may
	// be visited without records. Read returns ErrLogChanged if the topic is no
	// longer the one described.
	Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*Fetched)) error

	// Follow reads the topic from the given offsets until the context ends,
	// through leader changes and outages, and passes what it reads to the sink,
	// from one goroutine at a time. Partitions that are added to the topic later
	// are followed from their beginning. Follow returns ErrLogChanged once the
	// topic has been deleted or created again (no record of another topic ever
	// reaches the sink), or the context's error; it never returns for a temporary
	// reason.
	Follow(ctx context.Context, topic record.Topic, from []record.PartitionOffset, sink Sink) error
}

// Sink receives what a Source follows. Calls never overlap.
type Sink interface {
	// Append receives what one fetch brought for a topic, one Fetched for each of
	// its partitions. Nothing that the batch refers to may be kept after Append
	// returns. While Append runs, the source continues without this sink, and
	// continues after the batch when Append has returned.
	Append(batch []*Fetched)

	// Live reports whether the topic can be read: false with the cause when any
	// of its partitions has been unavailable for some time, true when all can be
	// read again. Only changes are reported.
	Live(live bool, cause error)
}

// Fetched is what a read brought from one partition. It is valid until the
// function that received it returns.
type Fetched struct {
	Partition int32
	// Gap is set if something before the records cannot be delivered.
	Gap *record.Gap
	// Next is where reading continues after the records, and after skipped
	// control batches and aborted transactions.
	Next record.PartitionOffset
	// Start and Tip bound the partition when it was read: the first offset kept
	// and the last stable offset. -1 if unknown.
	Start, Tip int64
	// Bytes is about how much memory the records take.
	Bytes int
	// Each calls yield with each visible record in order of offset, until yield
	// returns false. The record and all it refers to are reused for the next one.
	// Each is nil if there are no records.
	Each func(yield func(*record.Record) bool)
}

// BehindGap returns the offset after the gap. Its epoch is that of Next only if
// Next is at the same offset and there are no records: otherwise that may be a
// later one.
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
	offsetLogEnd
)

// Tip specifies the last stable offset of each partition.
func Tip() OffsetSpec { return OffsetSpec{} }

// Earliest specifies the first offset that each partition keeps.
func Earliest() OffsetSpec { return OffsetSpec{kind: offsetEarliest} }

// LogEnd specifies the end of each partition's log at its leader, behind records that are
// not on all in-sync replicas yet, and behind open transactions.
func LogEnd() OffsetSpec { return OffsetSpec{kind: offsetLogEnd} }

// At specifies, in each partition, the first offset whose timestamp is not
// earlier than t, and the tip if there is none. Timestamps are in milliseconds,
// so a time between two of them is rounded up.
func At(t time.Time) OffsetSpec {
	whole := t.Truncate(time.Millisecond)
	if whole.Before(t) {
		whole = whole.Add(time.Millisecond)
	}
	return OffsetSpec{kind: offsetTime, time: whole}
}

// IsEarliest reports whether m is Earliest.
func (m OffsetSpec) IsEarliest() bool { return m.kind == offsetEarliest }

// IsLogEnd reports whether m is LogEnd.
func (m OffsetSpec) IsLogEnd() bool { return m.kind == offsetLogEnd }

// Time returns the time of a spec made by At, and reports false for others.
func (m OffsetSpec) Time() (time.Time, bool) { return m.time, m.kind == offsetTime }

// Errors of a Source.
var (
	// ErrUnknownTopic: the cluster certainly has no topic of that name.
	ErrUnknownTopic = errors.New("unknown topic")
	// ErrLogChanged: the topic has another identity than the one asked for.
	ErrLogChanged = errors.New("the topic was deleted or recreated")
	// ErrSourceUnavailable: the cluster cannot be reached, or refuses the client.
	ErrSourceUnavailable = errors.New("kafka is unavailable")
)
