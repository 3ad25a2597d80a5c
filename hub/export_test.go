package hub

// BoundSearch bounds how much is searched for the newest records. It must be
// called before the first subscription.
func (h *Hub) BoundSearch(bytes int) { h.newestBytes = bytes }

// Floor is where a stream's log begins in its first partition.
func (h *Hub) Floor(stream string) int64 {
	return h.streams[stream].logNow().floorPosition().Offset(0, 0)
}

// OneDigest gives all filters the same digest. It must be called before the
// first subscription.
func (h *Hub) OneDigest(digest string) {
	h.digest = func(f Filter) string {
		if len(f.keys) == 0 {
			return ""
		}
		return digest
	}
}
