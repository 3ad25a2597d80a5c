package transport

import (
	"errors"

	"sluice/auth"
	"sluice/transport/socket"
)

// WithoutPoller has the server wait for each connection in a goroutine, as where
// there is no poller: in a bubble of testing/synctest, which cannot see through
// one.
func (s *Server) WithoutPoller() {
	s.newPoller = func() (*socket.Poller, error) { return nil, errors.ErrUnsupported }
}

// SessionsOf are the ids of a principal's open sessions, by its key, and
// SessionsRevokedBy of those that a revocation names.
func (s *Server) SessionsOf(key string) []string { return ids(s.sessionsOf(key)) }

// SessionsRevokedBy is SessionsOf for a revocation.
func (s *Server) SessionsRevokedBy(r auth.Revocation) []string { return ids(s.sessionsRevokedBy(r)) }

func ids(sessions []*session) []string {
	var found []string
	for _, x := range sessions {
		found = append(found, x.id)
	}
	return found
}
