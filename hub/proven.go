package hub

// unproven finds the places of a position at which the log begins, but with a
// later epoch. Whether the log was cut short in front of them since, and has
// grown up to them again, shows in no record that is in memory.
func (l *log) unproven(position Position) (places []Place) {
	floor := l.floorPosition()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range position.Places {
		begin, ok := floor.Place(at.Partition)
		if !ok || at.Epoch < 0 || at.Offset != begin.Offset || begin.Epoch >= 0 && begin.Epoch <= at.Epoch {
			continue
		}
		if epoch, ok := l.proven[at.Partition]; ok && epoch <= at.Epoch {
			continue
		}
		places = append(places, at)
	}
	return places
}

// prove notes that Kafka has the log up to a place, at which it begins here, in
// the place's epoch: so it has in each later one. Where the log no longer begins
// there nothing is noted.
func (l *log) prove(at Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if begin, ok := l.floorPosition().Place(at.Partition); !ok || begin.Offset != at.Offset {
		return
	}
	if epoch, ok := l.proven[at.Partition]; !ok || at.Epoch < epoch {
		l.proven[at.Partition] = at.Epoch
	}
}
