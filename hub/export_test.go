package hub

// BoundSearch bounds how much is searched for the newest records. It must be
// called before the first subscription.
func (h *Hub) BoundSearch(bytes int) { h.newestBytes = bytes }
