package producer

import "time"

// Waiting returns how many bytes are queued, as they are counted for estimates, and how many
// lanes count on a batch in progress.
func (p *Producer) Waiting() (bytes, busy int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.topics {
		t.mu.Lock()
		for _, l := range t.lanes {
			bytes += l.estimate.waiting
			if !l.estimate.begun.IsZero() {
				busy++
			}
		}
		t.mu.Unlock()
	}
	return bytes, busy
}

// Topics returns how many topics the producer has.
func (p *Producer) Topics() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.topics)
}

// Bound is a bound of batches, for tests of its own.
type Bound struct{ bound }

// NewBound returns one that begins at its maximum.
func NewBound(most int) *Bound { return &Bound{newBound(most)} }

// Now returns the bound of the next batch.
func (b *Bound) Now() int { return b.now }

// Stored notes that a batch was stored, and TooLarge that one was refused.
func (b *Bound) Stored(full bool, at time.Time) { b.stored(full, at) }

// TooLarge notes that a batch was refused.
func (b *Bound) TooLarge(size, messages int, at time.Time) { b.tooLarge(size, messages, at) }
