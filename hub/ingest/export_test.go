package ingest

// Held returns how many turns are had.
func (t *Turns) Held() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held
}

// Remembered returns how many tenants and principals of the tenant "" are known.
func (t *Turns) Remembered() (tenants, principals int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if of := t.all.byName[""]; of != nil {
		principals = len(of.members.byName)
	}
	return len(t.all.byName), principals
}
