package hub

import "sluice/hub/record"

// SlowPolicy is the treatment of a subscription that was live and has fallen below
// the floor of its stream's log. A subscription that begins below the floor is not
// slow, whatever the policy.
type SlowPolicy string

// The policies.
const (
	// SlowCatchUp: all missed records are delivered, from Kafka. The zero value is
	// the same.
	SlowCatchUp SlowPolicy = "catch_up"
	// SlowConflate: of the missed records, the newest of each key and all records
	// without a text key are delivered. What is left out is reported in gaps of
	// GapPolicy.
	SlowConflate SlowPolicy = "conflate"
	// SlowSkip: the subscription continues with new records, after gaps of
	// GapPolicy.
	SlowSkip SlowPolicy = "skip"
	// SlowDisconnect: the subscription ends, with SlowConsumer.
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

// SlowConsumer is what Subscription.Ended returns for a subscription that the policy
// of its stream has ended. It is not a reason for a gap: nothing is missing for a
// subscription that continues from the cursor.
const SlowConsumer record.GapReason = "slow_consumer"

// FilterFailed is what Subscription.Ended returns for a subscription when a
// predicate of its filter has failed, or cannot keep up with the stream. It is not a reason for a gap: the cursor is
// before the record, and Feed.Fault returns the cause.
const FilterFailed record.GapReason = "filter_failed"

// StreamChanged is what Subscription.Ended returns for a subscription of a stream that
// is no longer in force: it was removed, or has another definition. Its cursor is of
// use if there is a stream of the name.
const StreamChanged record.GapReason = "stream_changed"
