package transport

import (
	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/transport/wire"
)

// rows returns which records of a stream a principal may read, nil for all.
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

// mayKeep reports whether a principal may keep a subscription that began with the
// rows of another token: if the principal's rows are the same.
func (s *Server) mayKeep(p *auth.Principal, stream string, had *filter.Filter) bool {
	if !p.May(auth.Subscribe, stream) {
		return false
	}
	rows, err := s.rows(p, stream)
	if err != nil || rows == nil || had == nil {
		return err == nil && rows == had
	}
	return rows.Equal(had)
}

// maySubscribe checks the right to read a stream. A stream that the principal may
// not see is answered like one that does not exist.
func (s *Server) maySubscribe(p *auth.Principal, stream string) *wire.Error {
	return s.may(p, auth.Subscribe, stream)
}

func (s *Server) may(p *auth.Principal, action auth.Action, stream string) *wire.Error {
	if _, err := s.config.Hub.Stream(stream); err != nil || !p.Sees(stream) {
		return unseen(p)
	}
	if !p.May(action, stream) {
		if p.Undecided() {
			return faultOf(auth.ErrRightsUnavailable)
		}
		return wire.Errorf(wire.Forbidden, "the principal may not %s this stream", action)
	}
	return nil
}

// unseen returns the fault of a request for a stream that the principal may not see,
// or that does not exist. While its rights are not known the client must not be told
// that there is no sense in coming back, for whichever stream.
func unseen(p *auth.Principal) *wire.Error {
	if p.Undecided() {
		return faultOf(auth.ErrRightsUnavailable)
	}
	return faultOf(hub.ErrUnknownStream)
}

// mayPublish checks the right to publish to a stream.
func (s *Server) mayPublish(p *auth.Principal, stream string) *wire.Error {
	return s.may(p, auth.Publish, stream)
}
