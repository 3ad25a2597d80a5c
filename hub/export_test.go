package hub

import "sluice/hub/filter"

// Started returns a channel that is closed when Run has begun.
func (h *Hub) Started() <-chan struct{} { return h.started }

// BoundSearch sets how many bytes are searched for the newest records. It must be
// called before the first subscription.
func (h *Hub) BoundSearch(bytes int) { h.newestBytes = bytes }

// Floor returns the offset in its first partition at which a stream's log begins.
func (h *Hub) Floor(stream string) int64 {
	return h.streams()[stream].logNow().floorPosition().Offset(0, 0)
}

// Asked reports whether all filters have been evaluated on everything that a stream's
// log has.
func (h *Hub) Asked(stream string) bool {
	l := h.streams()[stream].logNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.evaluations {
		if e := &l.evaluations[k]; len(e.feeds) > 0 && e.upTo.Load().index != l.tip.Load().index {
			return false
		}
	}
	return true
}

// OneDigest gives all filters the same digest. It must be called before the first
// subscription.
func (h *Hub) OneDigest(digest string) {
	h.digest = func(f filter.Filter) string {
		if f.All() {
			return ""
		}
		return digest
	}
}

// Unindexed returns how many feeds of a stream are to be added to the index by which
// records find them, or removed from it.
func (h *Hub) Unindexed(stream string) (n int) {
	l := h.streams()[stream].logNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.evaluations {
		n += len(l.evaluations[k].changed)
	}
	return n
}
