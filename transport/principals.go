package transport

import "sluice/auth"

// visitSessions calls visit for each open session whose principal fits. Sessions
// that have not authenticated yet have no principal and are skipped. It looks at all
// sessions, so it is for rare events, such as a revocation. No lock is held while
// visit runs.
func (s *Server) visitSessions(fits func(*auth.Principal) bool, visit func(*session)) {
	for _, x := range s.sessions.all() {
		x.mu.Lock()
		p := x.principal
		x.mu.Unlock()
		if p != nil && fits(p) {
			visit(x)
		}
	}
}
