package auth

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultRevocationsKeep is how long a revocation is kept where the configuration
	// has no value.
	DefaultRevocationsKeep = 24 * time.Hour
	// DefaultRevocations is how many are kept where the configuration has no value.
	DefaultRevocations = 100_000
	// DefaultTenantClaim names the tenant where the configuration has no value.
	DefaultTenantClaim = "tenant"

	// MaxRevocationsKeep bounds how long a revocation is kept.
	MaxRevocationsKeep = 366 * 24 * time.Hour
)

// RevocationsConfig configures a set of revocations.
type RevocationsConfig struct {
	// Keep is how long a revocation is kept whose end is not given.
	Keep time.Duration
	// Max is the maximum number of revocations, about 500 bytes each.
	Max int
	// TenantClaim is the claim with a credential's tenant, a name or JSON Pointer as
	// in Grant.When.
	TenantClaim string
	// ClockSkew is how much later an issuer's clock may date a credential that exists
	// already.
	ClockSkew time.Duration
}

// Revocations is the set of revocations in force. All methods are safe for concurrent
// use. It holds each for as long as its Until says, and starts no goroutine.
type Revocations struct {
	// Immutable.
	config RevocationsConfig
	tenant []string // path of the claim

	count atomic.Int64 // of inForce, so that an empty set costs nothing

	mu      sync.RWMutex
	inForce map[revoked]Revocation
	watch   []func(Revocation)
}

// NewRevocations makes an empty set.
func NewRevocations(config RevocationsConfig) (*Revocations, error) {
	if config.Keep == 0 {
		config.Keep = DefaultRevocationsKeep
	}
	if config.Max == 0 {
		config.Max = DefaultRevocations
	}
	if config.TenantClaim == "" {
		config.TenantClaim = DefaultTenantClaim
	}
	tenant, err := claimPath(config.TenantClaim)
	switch {
	case err != nil:
		return nil, fmt.Errorf("check tenant claim: %w", err)
	case config.Keep < time.Second || config.Keep > MaxRevocationsKeep:
		return nil, fmt.Errorf("check revocations: keeping them for %v is not between a second and %v", config.Keep, MaxRevocationsKeep)
	case config.Max < 0:
		return nil, errors.New("check revocations: the maximum number is negative")
	}
	return &Revocations{config: config, tenant: tenant, inForce: make(map[revoked]Revocation)}, nil
}

// Complete checks a revocation that somebody asks for now, and sets the times that are
// left out. A subject and a tenant are revoked up to now, so that their holders can
// log in again; a token and a session are revoked as a whole.
//
// Times of issue are in seconds and by the issuer's clock. So that a credential that
// exists already cannot escape, those that are issued within ClockSkew from now, or in
// the same second, are revoked too. The error is ErrBadRevocation.
func (s *Revocations) Complete(r Revocation) (Revocation, error) {
	if err := r.check(); err != nil {
		return Revocation{}, fmt.Errorf("%w: %w", ErrBadRevocation, err)
	}
	now := time.Now()
	if r.Before.IsZero() && (r.Subject != "" || r.Tenant != "") {
		r.Before = now.Add(s.config.ClockSkew).Truncate(time.Second).Add(time.Second)
	}
	if r.Until.IsZero() {
		r.Until = now.Add(s.config.Keep)
	}
	switch {
	case !r.Until.After(now):
		return Revocation{}, fmt.Errorf("%w: it would end before it begins", ErrBadRevocation)
	case r.Until.After(now.Add(MaxRevocationsKeep)):
		return Revocation{}, fmt.Errorf("%w: it would be kept for more than %d days", ErrBadRevocation, MaxRevocationsKeep/(24*time.Hour))
	}
	// Stored in milliseconds. A day before 1970 has no credential.
	r.Before, r.Until = roundUp(r.Before), roundUp(r.Until)
	return r, nil
}

func roundUp(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMilli(t.Add(time.Millisecond - 1).UnixMilli())
}

// Add puts a revocation in force, joined with one of the same name, and returns the
// result. If it revokes more than before, the functions of Watch are called with it
// before Add returns. The error is ErrBadRevocation, or ErrTooManyRevocations if the
// set is full; then the functions are called all the same, so that sessions end.
func (s *Revocations) Add(r Revocation) (Revocation, error) {
	if err := r.check(); err != nil {
		return Revocation{}, fmt.Errorf("%w: %w", ErrBadRevocation, err)
	}
	now := time.Now()
	if !r.Until.After(now) {
		return r, nil
	}
	s.mu.Lock()
	name := r.named()
	before, again := s.inForce[name]
	if again && before.Until.After(now) {
		r = before.join(r)
	}
	var err error
	switch {
	case again && r.equal(before):
		s.mu.Unlock()
		return r, nil
	case !again && len(s.inForce) >= s.config.Max && !s.makeRoom(now):
		err = ErrTooManyRevocations
	default:
		s.inForce[name] = r
		s.count.Store(int64(len(s.inForce)))
	}
	watch := s.watch
	s.mu.Unlock()
	for _, each := range watch {
		each(r)
	}
	return r, err
}

// makeRoom removes the revocations that have ended, and reports whether there were
// any. It requires mu.
func (s *Revocations) makeRoom(now time.Time) bool {
	before := len(s.inForce)
	for name, r := range s.inForce {
		if !r.Until.After(now) {
			delete(s.inForce, name)
		}
	}
	return len(s.inForce) < before
}

// Sweep removes the revocations that have ended.
func (s *Revocations) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(time.Now())
	s.count.Store(int64(len(s.inForce)))
}

// Watch has a function called with each revocation that is put in force from now on,
// by the goroutine that does it. It must not block.
func (s *Revocations) Watch(each func(Revocation)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = append(slices.Clone(s.watch), each)
}

// Revoked reports whether a revocation in force names the principal's credential. The
// cost does not depend on the number of revocations.
func (s *Revocations) Revoked(p *Principal) bool {
	if p == nil || p.anonymous || s.count.Load() == 0 {
		return false
	}
	now := time.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, has := range [...]revoked{
		{revokedSubject, p.issuer, p.id},
		{revokedToken, p.issuer, p.identity.TokenID},
		{revokedSession, p.issuer, p.identity.SessionID},
		{revokedTenant, p.issuer, p.revokedAs},
	} {
		if has.name == "" {
			continue
		}
		for range 2 {
			if r, ok := s.inForce[has]; ok && r.Until.After(now) && r.issuedBefore(p.identity.IssuedAt) {
				return true
			}
			has.issuer = ""
		}
	}
	return false
}

// Len returns the number of revocations that are held.
func (s *Revocations) Len() int { return int(s.count.Load()) }

// Max returns how many revocations can be held.
func (s *Revocations) Max() int { return s.config.Max }

// All yields the revocations in force at the time of the call, in no order.
func (s *Revocations) All() iter.Seq[Revocation] {
	now := time.Now()
	s.mu.RLock()
	all := make([]Revocation, 0, len(s.inForce))
	for _, r := range s.inForce {
		if r.Until.After(now) {
			all = append(all, r)
		}
	}
	s.mu.RUnlock()
	return slices.Values(all)
}

// List returns at most so many revocations in force, those that are kept longest
// first, and the number of all.
func (s *Revocations) List(most int) (list []Revocation, total int) {
	all := slices.Collect(s.All())
	slices.SortFunc(all, func(a, b Revocation) int {
		if c := b.Until.Compare(a.Until); c != 0 {
			return c
		}
		x, y := a.named(), b.named()
		if c := int(x.kind) - int(y.kind); c != 0 {
			return c
		}
		return strings.Compare(x.name+"\x00"+x.issuer, y.name+"\x00"+y.issuer)
	})
	return all[:min(most, len(all))], len(all)
}
