package hub

import (
	"sync/atomic"
	"time"

	"sluice/hub/record"
)

// latePatience is how long a subscription keeps its turn without taking what was
// read for it. Then others have their turn.
const latePatience = 5 * time.Second

// late is the state of a late subscription. It delivers from the blocks that all
// late subscriptions share, as it delivers from the log once it is live, and waits
// for blocks that are missing.
type late struct {
	// Immutable.
	cache  *blockCache
	client client
	owner  Owner
	fetch  *lateFetch // which waits for a turn, and is no subscription; nil otherwise

	// waiting is set until everything that it wants has arrived. It is written under
	// blockPool.mu.
	waiting atomic.Bool

	// Guarded by blockPool.mu.
	wants    []want
	pending  int  // parts of fetches that it waits for
	queued   bool // it waits for a turn
	left     bool
	turn     *turn
	verdicts []verdict

	// Owned by the subscription's goroutine.
	asked []record.PartitionOffset // the positions that it waited for last
	waits int                      // consecutive waits without anything delivered
	runs  []lateRun
}

// want is a position from which a subscription cannot continue without Kafka. Exact
// means that reading must start at that very position: its epoch has to be compared
// with Kafka's, or a read that started before it did not reach it. Unproven means
// that the position is within the log, but the log cannot show that the position is
// of its present history.
type want struct {
	place    record.PartitionOffset
	exact    bool
	unproven bool
	joined   bool
}

// verdict is Kafka's answer about a position that is of another log by now.
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

// turn is a right to have Kafka read, held by the subscription and by the read.
type turn struct {
	client   client
	holders  int
	patience *time.Timer
}

// firstRun returns the run whose first entry is the oldest by timestamp, and the
// timestamp up to which it stays the oldest.
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
