package producer

// Topics returns how many topics the producer has.
func (p *Producer) Topics() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.topics)
}
