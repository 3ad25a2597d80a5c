package producer

import "time"

// bound is how large the batches of a lane may be. What the topic allows is not known: it
// counts a batch as it is compressed, and it can change. All of it is guarded by the
// topic's mutex.
//
// A batch that is refused as too large halves the bound. Batches that are stored although
// more was queued raise it again: by a quarter up to the size that was refused, and beyond
// that size only after a while, which doubles with every refusal, so that a topic that
// allows less than Config.BatchBytes is asked rarely whether it allows more. If it turns out
// that a single message was too large, the batches before were refused because of it, and
// the bound doubles with each batch.
type bound struct {
	most    int           // Config.BatchBytes
	now     int           // the bound of the next batch, in bytes before compression
	refused int           // the size that was refused last, 0 for none
	again   time.Time     // when a batch of that size may be tried again
	wait    time.Duration // from the next refusal until then
}

// Bounds of the time until a size that was refused is tried again.
const (
	leastAgain = 500 * time.Millisecond
	mostAgain  = 10 * time.Minute
)

func newBound(most int) bound { return bound{most: most, now: most, wait: leastAgain} }

// stored notes that a batch was stored. It was full if more was queued than it could hold.
func (b *bound) stored(full bool, at time.Time) {
	if !full {
		return // it says nothing about larger ones
	}
	if b.now >= b.most {
		b.refused, b.wait = 0, leastAgain
		return
	}
	raised := 2 * b.now
	if b.refused > 0 {
		raised = b.now + b.now/4 + 1
	}
	if b.refused > 0 && raised >= b.refused {
		if at.Before(b.again) {
			return
		}
		b.refused = 0
	}
	b.now = min(raised, b.most)
}

// tooLarge notes that a batch was refused.
func (b *bound) tooLarge(size, messages int, at time.Time) {
	if messages == 1 {
		b.refused = 0
		return
	}
	b.now, b.refused = max(size/2, 1), size
	b.again = at.Add(b.wait)
	b.wait = min(2*b.wait, mostAgain)
}
