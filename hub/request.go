package hub

import (
	"sluice/hub/filter"
	"sluice/hub/record"
	"time"
)

// StartKind says where a subscription begins.
type StartKind string

// The kinds of starts.
const (
	StartLatest   StartKind = "latest"
	StartEarliest StartKind = "earliest"
	StartTime     StartKind = "time"
	StartLast     StartKind = "last"
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
	// Position and At, when it was made, are for StartCursor and StartNamed.
	Position record.Position
	At       time.Time
}

// Request asks for a subscription.
type Request struct {
	Stream string
	// Keys are the record keys to be delivered; all when empty. Filter is what the
	// records have to pass besides: a right's filter joined with a client's.
	Keys   []string
	Filter filter.Filter
	Start  Start
	// Replay is how far back the subscriber may begin. Negative for no bound.
	Replay time.Duration
	// Principal is whose bound of replays counts.
	Principal string
	// Anew has what is acked replace what is stored under the name, which the
	// start passes over.
	Anew bool
	// FailOnGap ends the subscription where a gap would be told.
	FailOnGap bool
	// Labelled puts the feed's name into events of a filtered feed.
	Labelled bool
	// Owner is delivered to by the worker of Shard.
	Owner Owner
	Shard int
}

// Begun says how a subscription began.
type Begun struct {
	Kind StartKind
	// Recovered is set when it goes on from a position without a gap that
	// could be known at once.
	Recovered bool
	// Cut are the places behind logs that were cut short, where the position
	// has no epoch that would show that again once they have grown.
	Cut []record.PartitionOffset
	// Short is set when StartLast found fewer records than asked for.
	Short bool
}
