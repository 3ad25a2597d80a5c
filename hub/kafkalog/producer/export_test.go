package producer

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
