package hub

import "sluice/hub/record"

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
	return behind(at, tip.at), at.Topic == tip.at.Topic
}

// Behind is the same for a position in a tenant's stream. It asks nobody: the end is that of
// what is read of the stream, or else where its topic ended when the hub looked last.
func (h *Hub) Behind(tenant, stream string, at record.Position) (offsets int64, known bool) {
	st, ok := h.streams()[stream]
	if !ok || st.isTemplate() && tenant == "" {
		return 0, false
	}
	if st.isTemplate() {
		h.tenants.mu.RLock()
		st = h.tenants.all[tenantStream{st, tenant}]
		h.tenants.mu.RUnlock()
		if st == nil {
			return 0, false
		}
	}
	var end record.Position
	if l := st.logNow(); l != nil {
		end = l.tip.Load().at
	} else {
		end = st.tips.newest()
	}
	return behind(at, end), len(end.Offsets) > 0 && at.Topic == end.Topic
}

// behind returns how many offsets lie between a position and the tip of its topic.
func behind(from, tip record.Position) (offsets int64) {
	if from.Topic != tip.Topic {
		return 0
	}
	for _, at := range tip.Offsets {
		if was, ok := from.Find(at.Partition); ok {
			offsets += max(0, at.Offset-was.Offset)
		}
	}
	return offsets
}
