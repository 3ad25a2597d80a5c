package hub

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// noteAgain is the minimum time between two log lines about the same of one stream.
const noteAgain = time.Minute

// undecided are the records about which the filters of rights could not decide, and which
// therefore do not pass. The operator, who has written the filters, is told: the
// subscribers cannot mend them.
type undecided struct {
	count atomic.Uint64
	said  atomic.Int64 // when it was last logged, in Unix nanoseconds
}

// note counts a record, and logs the failure, if that was not done lately.
func (u *undecided) note(err error, at time.Time, logger *slog.Logger) {
	u.count.Add(1)
	now, said := at.UnixNano(), u.said.Load()
	if said != 0 && now-said < int64(noteAgain) || !u.said.CompareAndSwap(said, now) {
		return
	}
	logger.Warn("the filter of a grant failed on a record, which is not delivered by that grant: make the filter cheaper, or raise limits/filter_cost",
		"error", err, "records", u.count.Load())
}
