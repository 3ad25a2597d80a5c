package transport

import (
	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// loses returns why a principal may not keep a subscription that began with the rights of
// another one, "" if it may. One that replays, and for which there is no bound although it may not
// go back as far any more, began after the bounds were asked for.
func (s *Server) loses(was, p *auth.Principal, sub *subscription, bounds map[string]hub.Bound) wire.Reason {
	if reason := s.mayKeep(p, sub.Stream(), sub.rows); reason != "" {
		return reason
	}
	if _, bounded := bounds[sub.Stream()]; !bounded && sub.Replays() && s.replaysLess(was, p, sub.Stream()) {
		return wire.ReasonRightsChanged
	}
	return ""
}
