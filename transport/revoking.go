package transport

import (
	"context"
	"errors"

	"sluice/auth"
)

// endRevoked ends everything that a revocation names, which is in force already. It
// does not wait.
func (s *Server) endRevoked(r auth.Revocation) {
	fits := func(p *auth.Principal) bool { return p.RevokedBy(r) }
	s.pending.end(fits)
	var all []*session
	s.visitSessions(fits, func(x *session) {
		x.closeSoon(endRevoked())
		all = append(all, x)
	})
	if len(all) == 0 {
		return
	}
	s.logger.Info("ending sessions whose credentials were revoked", "sessions", len(all))
	s.tasks.Go(func() { s.cutOffLate(all) })
}

// revocation is what came of a revocation.
type revocation struct {
	auth.Revocation
	// everywhere is set if all instances have it or will have it in moments.
	everywhere bool
	// later is set if they will have it once the store is available again.
	later bool
}

// revoke puts a revocation in force, on this instance at once.
func (s *Server) revoke(ctx context.Context, r auth.Revocation) (revocation, error) {
	stored, err := s.config.Auth.Revocations().Add(r)
	made := revocation{Revocation: stored}
	if err != nil || s.config.Revocations == nil {
		return made, err
	}
	err = s.config.Revocations.Save(ctx, stored)
	switch {
	case err == nil:
		made.everywhere = true
	case errors.Is(err, auth.ErrStoreUnavailable):
		s.logger.Warn("a revocation is in force on this instance only until redis is available again", "error", err)
		made.later, err = true, nil
	}
	return made, err
}
