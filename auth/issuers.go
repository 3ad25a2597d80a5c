package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// newTokens validates issuers. Those with the same definition as before keep their
// keys.
func (a *Authenticator) newTokens(issuers []Issuer) (*tokens, error) {
	made := &tokens{
		issuers:   make(map[string]*issuer),
		clockSkew: a.clockSkew,
		verified:  cache{tokens: make(map[[sha256.Size]byte]verified)},
	}
	was := a.tokens.Load()
	for i, is := range issuers {
		if _, ok := made.issuers[is.Issuer]; ok {
			return nil, fmt.Errorf("check issuer %d (%q): duplicate issuer", i+1, is.Issuer)
		}
		one := was.same(is) // in use, and so never changed
		if one == nil {
			var err error
			if one, err = newIssuer(is, a.clockSkew, a.log); err != nil {
				return nil, fmt.Errorf("check issuer %d (%q): %w", i+1, is.Issuer, err)
			}
			one.details.byName, one.details.check = a.byName, a.check
		}
		made.issuers[is.Issuer] = one
		made.order = append(made.order, one)
	}
	return made, nil
}

// same returns the issuer with a definition, or nil.
func (t *tokens) same(is Issuer) *issuer {
	if t == nil {
		return nil
	}
	if one := t.issuers[is.Issuer]; one != nil && reflect.DeepEqual(one.definition, is) {
		return one
	}
	return nil
}

// SetIssuers replaces the issuers while clients connect and disconnect. If one of the
// new issuers is invalid, the issuers in force stay. An issuer with the same
// definition keeps its keys. Every token is verified anew: from now on one of an
// issuer that was removed, or whose keys are others, is refused. A Principal never
// changes: a session keeps its rights until its token expires or is renewed.
func (a *Authenticator) SetIssuers(issuers []Issuer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, err := a.newTokens(issuers)
	if err != nil {
		return err
	}
	if len(issuers) == 0 && len(a.verifiers) == 0 && a.fallback == nil && len(a.rights.Load().open) == 0 {
		return errors.New("check issuers: no client could connect: an issuer or an anonymous grant is required")
	}
	a.tokens.Store(made)
	select {
	case a.changed <- struct{}{}:
	default:
	}
	return nil
}

// HasIssuer reports whether an issuer in force has the name.
func (a *Authenticator) HasIssuer(name string) bool {
	_, ok := a.tokens.Load().issuers[name]
	return ok
}

// Run keeps the keys of the issuers in force up to date until the context ends, and
// then returns nil. It must be called at most once.
func (a *Authenticator) Run(ctx context.Context) error {
	running := make(map[*issuer]context.CancelFunc)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	for {
		inForce := a.tokens.Load()
		for _, is := range inForce.order {
			if running[is] == nil {
				each, cancel := context.WithCancel(ctx)
				running[is] = cancel
				tasks.Go(func() { is.keys.run(each) })
			}
		}
		for is, cancel := range running {
			if inForce.issuers[is.name] != is {
				cancel()
				delete(running, is)
			}
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return nil
		}
	}
}

// Ready returns nil once the keys of every issuer have been obtained at least once.
// Otherwise it returns an error with the issuer whose keys are missing and the
// reason.
func (a *Authenticator) Ready() error {
	for _, is := range a.tokens.Load().order {
		if err := is.keys.ready(); err != nil {
			return fmt.Errorf("fetch keys of issuer %q: %w", is.name, err)
		}
	}
	return nil
}
