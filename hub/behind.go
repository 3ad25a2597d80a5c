package hub

// Behind returns how many offsets lie between the position of the subscription and the end
// of what was read of the stream so far, in all partitions. They are as many records, unless
// the topic is compacted or has transactions. It reports false if that is not known: the
// topic was made again, and the subscription has not come to it yet.
func (s *Subscription) Behind() (offsets int64, known bool) {
	tip := s.log.tip.Load()
	if s.own == nil && s.pending == nil && s.conflation == nil && s.index == tip.index {
		return 0, true
	}
	at := s.Position()
	if at.Topic != tip.at.Topic {
		return 0, false
	}
	for _, end := range tip.at.Offsets {
		offsets += max(0, end.Offset-at.Offset(end.Partition, 0))
	}
	return offsets, true
}
