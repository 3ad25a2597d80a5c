package transport

import (
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/transport/wire"
)

// rows returns which records of a stream a principal may read, nil for all of them, whole,
// of a stream in which nothing is encrypted.
func (s *Server) rows(p *auth.Principal, stream string) (*hub.Rows, error) {
	if s.config.Rights == nil {
		return nil, nil
	}
	rows, err := s.config.Rights.Rows(p, stream, s.limits().ResumeWindow)
	if err != nil || rows.Filter.All() && len(rows.Spans) == 0 && rows.Redaction == nil && len(rows.Encrypted) == 0 {
		return nil, err
	}
	return &rows, nil
}

// hidesRows reports whether the rights to a stream leave out records.
func hidesRows(rows *hub.Rows) bool {
	return rows != nil && (!rows.Filter.All() || len(rows.Spans) > 0)
}

// mayKeep returns why a principal may not keep a subscription that began with other
// rights, "" if it may: if it has a right to the same rows.
func (s *Server) mayKeep(p *auth.Principal, stream string, had *hub.Rows) wire.Reason {
	if !p.May(auth.Subscribe, stream) {
		if p.Undecided() {
			return wire.ReasonRightsChanged // a refusal would be final
		}
		return wire.ReasonForbidden
	}
	rows, err := s.rows(p, stream)
	switch {
	case err != nil:
		return wire.ReasonForbidden
	case rows == nil && had == nil, rows != nil && had != nil && rows.Equal(had):
		return ""
	}
	return wire.ReasonRightsChanged
}

// replay returns how far back a principal may read a stream, negative for as far as
// there are records.
func (s *Server) replay(p *auth.Principal, stream string) time.Duration {
	span := p.Replay(stream)
	if span == auth.ReplayUnlimited {
		return -1
	}
	return max(span, s.limits().ResumeWindow)
}

// replaysLess reports whether a principal may not read a stream as far back as another one.
func (s *Server) replaysLess(than, p *auth.Principal, stream string) bool {
	span, was := s.replay(p, stream), s.replay(than, stream)
	return span >= 0 && (was < 0 || was > span)
}

// mayLose is mayKeep for a subscription that began with the rights of was. One that replays without
// a bound, although p may not go back as far as was, has begun after the bounds were asked for.
func (s *Server) mayLose(was, p *auth.Principal, stream string, had *hub.Rows, unbounded bool) wire.Reason {
	if reason := s.mayKeep(p, stream, had); reason != "" {
		return reason
	}
	if unbounded && s.replaysLess(was, p, stream) {
		return wire.ReasonRightsChanged
	}
	return ""
}

// stillMay returns the fault of a request that has waited, if the rights that it began
// with have been replaced by others.
func (s *Server) stillMay(p *auth.Principal, stream string, had *hub.Rows) *wire.Error {
	if s.config.Auth.InForce(p) {
		return nil
	}
	now, err := s.config.Auth.Refresh(p)
	if err != nil {
		return withdrawn(err)
	}
	if reason := s.mayKeep(now, stream, had); reason != "" {
		return faultOfRights(reason)
	}
	return nil
}

// maySubscribe checks the right to read a stream. A stream that the principal may
// not see is answered like one that does not exist.
func (s *Server) maySubscribe(p *auth.Principal, stream string) *wire.Error {
	return s.may(p, auth.Subscribe, stream)
}

func (s *Server) may(p *auth.Principal, action auth.Action, stream string) *wire.Error {
	if !s.config.Hub.Has(p.Tenant(), stream) || !p.Sees(stream) {
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

// stillMayPublish is mayPublish for a request that has waited since, as for its body: with the
// rights that are in force now, of the principal that it returns.
func (s *Server) stillMayPublish(p *auth.Principal, stream string, allowed filter.Filter) (*auth.Principal, filter.Filter, *wire.Error) {
	if s.config.Auth.InForce(p) {
		return p, allowed, nil
	}
	now, err := s.config.Auth.Refresh(p)
	if err != nil {
		return p, allowed, withdrawn(err)
	}
	allowed, fault := s.mayPublish(now, stream)
	return now, allowed, fault
}

// mayPublish checks the right to publish to a stream, and returns which records the
// right is for.
func (s *Server) mayPublish(p *auth.Principal, stream string) (allowed filter.Filter, fault *wire.Error) {
	if s.audit.owns(stream) && p.Sees(stream) {
		return filter.Filter{}, wire.Errorf(wire.Forbidden, "the server alone writes to this stream")
	}
	if fault := s.may(p, auth.Publish, stream); fault != nil || s.config.Rights == nil {
		return filter.Filter{}, fault
	}
	allowed, err := s.config.Rights.Publishes(p, stream)
	if err != nil {
		return filter.Filter{}, faultOf(err)
	}
	return allowed, nil
}
