package auth

import (
	"errors"
	"fmt"
)

// rights are the grants in force: a snapshot that is replaced as a whole.
type rights struct {
	grants []*grant // grants matched against clients with a credential
	open   []*grant // grants of every client
}

// newRights validates grants. A grant that is not anonymous needs an issuer or
// verifier.
func newRights(grants []Grant, credentials bool, named byName) (*rights, error) {
	made := &rights{}
	for i, g := range grants {
		one, err := newGrant(g, named)
		if err == nil && !one.anonymous && !credentials {
			err = errors.New("the grant cannot match any client: no issuer is configured")
		}
		if err != nil {
			return nil, fmt.Errorf("check grant %d: %w", i+1, err)
		}
		made.grants = append(made.grants, one)
		if one.anonymous {
			made.open = append(made.open, one)
		}
	}
	if !credentials && len(made.open) == 0 {
		return nil, errors.New("check credentials: no client could connect: an issuer or an anonymous grant is required")
	}
	return made, nil
}

// matching returns the grants of a principal with these claims.
func (r *rights) matching(c claims) []*grant {
	var grants []*grant
	for _, g := range r.grants {
		if g.matches(c) {
			grants = append(grants, g)
		}
	}
	return grants
}

// SetGrants replaces the grants while clients connect and disconnect. If one of the
// new grants is invalid, the grants in force stay. A Principal never changes:
// existing principals keep their rights until their credential is verified again, at
// the next request or the renewal of the session.
func (a *Authenticator) SetGrants(grants []Grant) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, err := newRights(grants, len(a.verifiers) > 0 || a.fallback != nil || len(a.tokens.Load().order) > 0, a.byName)
	if err != nil {
		return err
	}
	a.rights.Store(made)
	return nil
}
