package hub

import (
	"sync/atomic"

	"sluice/hub/filter"
)

// undecided are the records about which the filters of rights could not decide.
type undecided struct {
	count atomic.Uint64
	said  atomic.Int64 // when it was last logged, in Unix nanoseconds
}

// denying returns the filter of a right with which a record that it cannot decide about
// does not pass. It is counted and, now and then, logged for the operator, who has written
// the filter: the subscribers cannot mend it, and are not told.
func (st *stream) denying(right filter.Filter) filter.Filter {
	return filter.Denying(right, st.noteUndecided)
}

func (st *stream) noteUndecided(err error) {
	u := &st.undecided
	u.count.Add(1)
	now, said := st.hub.now().UnixNano(), u.said.Load()
	if said != 0 && now-said < int64(noteAgain) || !u.said.CompareAndSwap(said, now) {
		return
	}
	st.logger.Warn("the filter of a grant failed on a record, which is not delivered by that grant: make the filter cheaper, or raise limits/filter_cost",
		"error", err, "records", u.count.Load())
}
