package hub

import (
	"sluice/hub/record"
	"sync/atomic"
	"time"
)

// latePatience is how long a turn is kept for a subscription that does not take
// what was read for it. Then others have theirs.
const latePatience = 5 * time.Second

// late is a subscription's part in reading what precedes the log. It takes from
// the blocks that all share, as it takes from the log once it is live, and
// waits for those that are not there.
type late struct {
	// Immutable.
	cache     *blockCache
	principal string
	owner     Owner

	// waiting is set until all that it wants has come. It is written under
	// blocks.mu.
	waiting atomic.Bool

	// Guarded by blocks.mu.
	wants    []want
	pending  int  // parts of fetches that it waits for
	queued   bool // for a turn
	left     bool
	turn     *turn
	verdicts []verdict

	// Owned by the subscription's goroutine.
	asked []record.PartitionOffset // what it has waited for last
	waits int                      // in a row, without anything delivered
	runs  []lateRun
}

// want is what a subscription cannot go on without. Exact is what has to be
// read from its very place: the epoch has to be held against Kafka's, or what
// was read from in front of it did not reach so far. Unproven is a place that the
// log has, but cannot show to be of the log as it is now.
type want struct {
	place    record.PartitionOffset
	exact    bool
	unproven bool
	joined   bool
}

// verdict is what Kafka says of a place that is of another log by now.
type verdict struct {
	place  record.PartitionOffset
	gap    record.Gap
	behind record.PartitionOffset
}

// lateRun is some entries of a block.
type lateRun struct {
	block *block
	i, n  int
}

// turn is a right to have Kafka read, held by who has asked and by the read.
type turn struct {
	principal string
	holders   int
	patience  *time.Timer
}

// firstRun finds the run that is first by time, and until when it is.
func firstRun(runs []lateRun) (first int, until int64) {
	until = 1<<63 - 1
	for k := 1; k < len(runs); k++ {
		t, was := runs[k].block.at(runs[k].i).time, runs[first].block.at(runs[first].i).time
		if t < was {
			first, until = k, was
		} else {
			until = min(until, t)
		}
	}
	return first, until
}
