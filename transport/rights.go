package transport

import (
	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/transport/wire"
)

// Rows gives the filter that a record of a stream has to pass for a principal to
// read the record, in whichever way. It is asked when a subscription begins and when
// a session's token is renewed, and must not block; whoever compiles filters keeps
// them. With an error nothing is delivered.
type Rows func(p *auth.Principal, stream string) (filter.Filter, error)

// rows is what a principal may read of a stream, nil for all records.
func (s *Server) rows(p *auth.Principal, stream string) (*filter.Filter, error) {
	if s.config.Rows == nil {
		return nil, nil
	}
	rows, err := s.config.Rows(p, stream)
	if err != nil || rows.All() {
		return nil, err
	}
	return &rows, nil
}

// mayKeep reports whether a principal may go on with a subscription that another
// token has begun: as long as the stream and the records in it are the same.
func (s *Server) mayKeep(p *auth.Principal, sub *subscription) bool {
	if !p.May(auth.Subscribe, sub.Stream()) {
		return false
	}
	rows, err := s.rows(p, sub.Stream())
	if err != nil || rows == nil || sub.rows == nil {
		return err == nil && rows == sub.rows
	}
	return rows.Equal(sub.rows)
}

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
