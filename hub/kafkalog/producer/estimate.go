package producer

import "time"

// estimate is what a lane knows about how long its messages wait. All of it is guarded by
// the topic's mutex.
type estimate struct {
	waiting int           // bytes of the messages in the queue that have no result
	took    time.Duration // of a batch, from being taken to being stored: the last one, or longer
	begun   time.Time     // when the batch in progress was first taken
}

// stored notes that the batch in progress is stored. That batches take longer counts at once,
// that they take less with each batch by half.
func (e *estimate) stored(now time.Time) {
	took := now.Sub(e.begun)
	e.took = max(took, (e.took+took)/2)
	e.begun = time.Time{}
}

// wait returns how long it is likely to take until a message of a size is stored that is
// queued now, 0 if nothing is before it: a batch that is in progress takes as long as others
// have, or as long as it has taken already, and so does each batch after it. This is too
// little for a queue that grows, whose batches grow too, rather than too much.
func (e *estimate) wait(size, batchBytes int, now time.Time) time.Duration {
	if e.waiting == 0 && e.begun.IsZero() {
		return 0
	}
	took, ahead := e.took, time.Duration(0)
	if !e.begun.IsZero() {
		so := now.Sub(e.begun)
		took, ahead = max(took, so), max(took-so, 0)
	}
	batches := (e.waiting + size + batchBytes - 1) / max(batchBytes, 1)
	return ahead + time.Duration(batches)*took
}
