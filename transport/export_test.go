package transport

import (
	"errors"
	"sluice/transport/socket"
)

// WithoutPoller has the server wait for each connection in a goroutine, as where
// there is no poller: in a bubble of testing/synctest, which cannot see through
// one.
func (s *Server) WithoutPoller() {
	s.newPoller = func() (*socket.Poller, error) { return nil, errors.ErrUnsupported }
}
