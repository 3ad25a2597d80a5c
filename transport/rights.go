package transport

import (
	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// maySubscribe checks the right to read a stream. A stream that the principal
// may not even see is answered like one that is not there.
func (s *Server) maySubscribe(p *auth.Principal, stream string) *wire.Error {
	return s.may(p, auth.Subscribe, stream)
}

func (s *Server) may(p *auth.Principal, action auth.Action, stream string) *wire.Error {
	if _, err := s.config.Hub.Stream(stream); err != nil || !p.Sees(stream) {
		return faultOf(hub.ErrUnknownStream)
	}
	if !p.May(action, stream) {
		return wire.Errorf(wire.Forbidden, "the principal may not %s this stream", action)
	}
	return nil
}

// mayPublish checks the right to publish to a stream.
func (s *Server) mayPublish(p *auth.Principal, stream string) *wire.Error {
	return s.may(p, auth.Publish, stream)
}
