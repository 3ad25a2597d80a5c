package hub

import "sluice/hub/record"

// SlowPolicy says what a subscription gets that was live and has fallen below
// the floor of its stream's log. One that begins further back is no slow one,
// whatever the policy.
type SlowPolicy string

// The policies.
const (
	// SlowCatchUp: it is delivered all that it has missed, from Kafka. The
	// zero value is the same.
	SlowCatchUp SlowPolicy = "catch_up"
	// SlowConflate: of what it has missed it is delivered the newest record of
	// each key, and all records without a key that is text. What is left out is
	// told in gaps of GapPolicy.
	SlowConflate SlowPolicy = "conflate"
	// SlowSkip: it goes on with what is new, behind gaps of GapPolicy.
	SlowSkip SlowPolicy = "skip"
	// SlowDisconnect: it ends, with SlowConsumer.
	SlowDisconnect SlowPolicy = "disconnect"
)

// Valid reports whether p is one of the policies.
func (p SlowPolicy) Valid() bool {
	switch p {
	case "", SlowCatchUp, SlowConflate, SlowSkip, SlowDisconnect:
		return true
	}
	return false
}

// SlowConsumer is what Subscription.Ended gives for one that the policy of its
// stream has cut off. It is no reason for a gap: nothing is missing where its
// cursor goes on.
const SlowConsumer record.GapReason = "slow_consumer"

// FilterFailed is what Subscription.Ended gives for one of whose filter a predicate
// has failed. It is no reason for a gap: its cursor is in front of the record, and
// Feed.Fault says why.
const FilterFailed record.GapReason = "filter_failed"
