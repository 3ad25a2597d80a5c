package transport

import (
	"context"
	"slices"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// firstSubscription is the id of the subscription that a query begins.
const firstSubscription = "0"

// enterAnonymously makes the client of a session an anonymous one if grants allow
// that, and ends the session otherwise.
func (s *session) enterAnonymously() *auth.Principal {
	p, err := s.server.config.Auth.Anonymous(networkOf(s.address), s.ws.tenant)
	if err != nil {
		fault := wire.Errorf(wire.Unauthenticated, "authenticate first: send auth with a token")
		s.closeUnread(endByFault(fault))
		return nil
	}
	return s.enter(p)
}

// enterByQuery opens a session whose client has sent no credential with the handshake, if
// anyone may read what its query subscribes to. Where that needs a credential, the server
// waits for one.
func (s *session) enterByQuery() {
	if len(s.ws.query.Streams) == 0 || s.ws.certificate != nil {
		return
	}
	p, err := s.server.config.Auth.Anonymous(networkOf(s.address), s.ws.tenant)
	if err != nil || !s.server.mayReadOne(p, s.ws.query.Streams[0]) {
		return
	}
	s.ws.byQuery = true
	s.enter(p)
}

// mayReadOne reports whether a principal may read a stream, or one that matches a
// pattern.
func (s *Server) mayReadOne(p *auth.Principal, stream string) bool {
	if !wire.IsPattern(stream) {
		return s.maySubscribe(p, stream) == nil
	}
	pattern, err := auth.NewPattern(stream)
	if err != nil {
		return false
	}
	streams, _ := s.config.Hub.Names(p.Tenant())
	return slices.ContainsFunc(streams, func(one hub.Named) bool {
		return pattern.Match(one.Name) && p.May(auth.Subscribe, one.Name)
	})
}

// enter makes p the session's principal, within the limits.
func (s *session) enter(p *auth.Principal) *auth.Principal {
	if fault := s.admission.identified(p); fault != nil {
		s.closeUnread(endByFault(fault))
		return nil
	}
	s.mu.Lock()
	s.principal = p
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return nil
	}
	s.endIfRevoked(p)
	s.welcome(p)
	s.refresh() // the grants may have been replaced meanwhile
	return p
}

// authenticate handles the first message of a session without a credential.
func (s *session) authenticate(r *wire.Auth) {
	ctx, cancel := s.server.requestContext()
	defer cancel()
	p, err := s.server.config.Auth.Authenticate(ctx, s.presented(r))
	if err != nil {
		fault := faultOf(err)
		fault.ID = r.ID
		s.over.Store(true) // as by closeUnread: trying out tokens takes a connection for each
		s.post(func(s *session, sc *scratch) {
			s.send(sc, fault)
			s.close(sc, endByFault(fault))
		})
		return
	}
	s.audited.presented(s.presented(r))
	s.enter(p)
}

// presented is the credential of a message. A token that is bound to a certificate is
// valid on the connection that has shown that certificate in its handshake.
func (s *session) presented(r *wire.Auth) auth.Credential {
	c := auth.Bearer(string(r.Token))
	c.Tenant = s.ws.tenant
	c.Proof = auth.Proof{Certificate: s.ws.certificate, Address: networkOf(s.address), Headers: s.ws.headers}
	return c
}

// renewed returns the principal of a new token: the same as before, unless this is the
// first message of a client for whom the session was opened without waiting for it.
func (s *session) renewed(ctx context.Context, current *auth.Principal, r *wire.Auth, first bool) (*auth.Principal, *wire.Error) {
	if !first {
		p, err := s.server.config.Auth.Renew(ctx, current, s.presented(r))
		if err != nil {
			return nil, faultOf(err)
		}
		return p, nil
	}
	p, err := s.server.config.Auth.Authenticate(ctx, s.presented(r))
	if err == nil && p.Tenant() != current.Tenant() {
		err = auth.ErrPrincipalChanged
	}
	if err != nil {
		return nil, faultOf(err)
	}
	if fault := s.admission.named(p); fault != nil {
		return nil, fault
	}
	s.audited.presented(s.presented(r))
	return p, nil
}

// renew continues the session under a new token. First is set for the first message of a
// session that its query has opened.
func (s *session) renew(current *auth.Principal, r *wire.Auth, first bool) {
	s.audited.asks(audit.ActRenew, "")
	ctx, cancel := s.server.requestContext()
	defer cancel()
	id := r.ID
	p, fault := s.renewed(ctx, current, r, first)
	if fault != nil {
		fault.ID = id
		s.fail(fault)
		return
	}
	bounds, err := s.narrower(ctx, current, p)
	if err != nil {
		// The new rights are applied to everything that the session has, or not at
		// all.
		fault := faultOf(err)
		fault.ID = id
		s.fail(fault)
		return
	}
	refused, fault := s.unapproved(ctx, p)
	if fault != nil {
		fault.ID = id
		s.fail(fault)
		return
	}
	s.mu.Lock()
	s.principal = p
	s.mu.Unlock()
	s.endIfRevoked(p)
	s.server.audit.renewed(s, p, s.presented(r))
	s.post(func(s *session, sc *scratch) {
		if s.closing {
			return
		}
		s.expireAt(p.ExpiresAt(), sc.now)
		left := time.Duration(0)
		if !s.expiry.IsZero() {
			left = s.expiry.Sub(sc.now)
		}
		s.send(sc, &wire.Authenticated{ID: id, ExpiresIn: left})
		s.endRefused(refused, sc)
		s.applyRights(current, p, bounds, sc)
	})
	s.refresh() // the grants may have been replaced meanwhile
}

// welcome opens the session for a principal.
func (s *session) welcome(p *auth.Principal) {
	query := s.ws.query
	s.post(func(s *session, sc *scratch) {
		if s.closing {
			return
		}
		s.server.audit.connected(s)
		ws := s.ws
		ws.welcomed, ws.authBy = true, 0
		s.tenant = s.server.tenants.of(p.Tenant())
		s.expireAt(p.ExpiresAt(), monotimeNow())
		l := s.server.limits()
		name := p.ID()
		if p.Anonymous() {
			name = ""
		}
		s.send(sc, &wire.Welcome{
			Session:   s.id,
			Principal: name,
			Now:       sc.now.Time(),
			Expires:   p.ExpiresAt(),
			Ping:      ws.pingEvery,
			Limits: wire.SessionLimits{
				MessageBytes:            l.MessageBytes,
				SubscriptionsPerSession: l.SubscriptionsPerSession,
				PublishesPerSession:     l.PublishesPerSession,
				RecordBytes:             l.RecordBytes,
			},
		})
	})
	if len(query.Streams) == 1 {
		s.subscribe(p, &wire.Subscribe{
			ID: firstSubscription, Stream: query.Streams[0], LastEventID: query.LastEventID, Reading: query.Reading,
		})
	}
	s.ws.query = nil
}
