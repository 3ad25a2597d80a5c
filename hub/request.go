package hub

import (
	"slices"
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/redact"
)

// StartKind is a kind of start of a subscription.
type StartKind string

// The kinds of starts.
const (
	StartLatest   StartKind = "latest"
	StartEarliest StartKind = "earliest"
	StartTime     StartKind = "time"
	StartLast     StartKind = "last"
	StartOffset   StartKind = "offset"
	StartCursor   StartKind = "cursor"
	StartNamed    StartKind = "named"
)

// Start is where a subscription begins.
type Start struct {
	Kind StartKind
	// Time is for StartTime.
	Time time.Time
	// Last is for StartLast: how many records that pass the filter.
	Last int
	// Position is for StartCursor and StartNamed, and for StartOffset, which knows
	// no topic and reads partitions that it does not name from their ends. At is when
	// the cursor was made, Lease what it says of a named cursor, or the fence of the one
	// where it begins: the cursors of the subscription say the same.
	Position record.Position
	At       time.Time
	Lease    int64
}

// Rows are the records of a stream that a subscriber has a right to read.
type Rows struct {
	// Filter passes these records.
	Filter filter.Filter
	// Spans are set if how far back a record may be read depends on the record: the
	// filter of each passes what may be read as far back. The longest span comes first,
	// and is the Replay of the Request.
	Spans []Span
	// Redaction is what of the records the subscriber may not see; nil for nothing. The
	// filters of the right look at whole records, and that of the client at what remains.
	Redaction *redact.Redaction
	// Encrypted are the paths of what is encrypted in the stream, those of its Decrypter,
	// that Redaction takes into account. If the stream has others, all that is encrypted in
	// it is hidden in addition.
	Encrypted []string
}

// Span is what may be read of a span of time before now.
type Span struct {
	Filter filter.Filter
	// Replay is how long the span is. Negative for no bound.
	Replay time.Duration
}

// Equal reports whether the rights are the same.
func (r *Rows) Equal(other *Rows) bool {
	if !r.Filter.Equal(&other.Filter) || len(r.Spans) != len(other.Spans) || !r.Redaction.Equal(other.Redaction) || !slices.Equal(r.Encrypted, other.Encrypted) {
		return false
	}
	for i := range r.Spans {
		if span := &r.Spans[i]; span.Replay != other.Spans[i].Replay || !span.Filter.Equal(&other.Spans[i].Filter) {
			return false
		}
	}
	return true
}

// Request describes a subscription to be made.
type Request struct {
	// Tenant is the tenant that the subscriber belongs to, "" for none.
	Tenant string
	Stream string
	// Rows are the records that the subscriber has a right to. Of these, Keys are the
	// record keys to be delivered, all when empty, and Filter is an additional filter.
	Rows   Rows
	Keys   []string
	Filter filter.Filter
	Start  Start
	// Replay is how far back the subscriber may begin. Negative for no bound.
	Replay time.Duration
	// Principal is the principal for whom replays are counted.
	Principal string
	// Anew makes acks replace what is stored under the name, which the start
	// ignores.
	Anew bool
	// AfterStored has the subscription begin when the stream has been read as far as this
	// instance has stored records in it before: see Limits.StoredWithin.
	AfterStored bool
	// FailOnGap ends the subscription instead of reporting a gap.
	FailOnGap bool
	// Labelled adds the feed's name to events of a filtered feed.
	Labelled bool
	// Owner is notified by Pump and delivers in the worker of Shard.
	Owner Owner
	Shard int
}

// Begun describes how a subscription began.
type Begun struct {
	Kind StartKind
	// Recovered is set when the subscription continues from a position without a gap
	// that is known at once.
	Recovered bool
	// Cut are the offsets after truncations at which the position has no epoch,
	// which would reveal the truncation again once the log has grown.
	Cut []record.PartitionOffset
	// Behind is how many offsets lie between the position and the tip.
	Behind int64
	// Short is set when StartLast found fewer records than asked for.
	Short bool
}
