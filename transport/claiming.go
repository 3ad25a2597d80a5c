package transport

import (
	"context"
	"errors"
	"slices"
	"sync"

	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/transport/wire"
)

// claim takes the named cursor of a subscription that has a claim, and returns how the
// subscription has begun. Whoever held the name has lost it then, so nothing but a failure
// of Redis or Kafka may refuse the request afterwards, and an operator who has moved the
// name meanwhile and so has taken it before. The subscription stays the caller's.
func (s *Server) claim(ctx context.Context, sub *subscription) (hub.Begun, *wire.Error) {
	c := sub.claim
	sub.claim = nil
	stored, lease, err := s.config.Committer.Take(ctx, c.reading.name(c.of), c.superseded)
	var named *cursors.Stored
	switch {
	case err == nil:
		named = &stored
	case !errors.Is(err, cursors.ErrNoCursor):
		return c.begun, faultOf(err)
	}
	sub.lease = lease
	if fault := goesOn(c.request.Start, named); fault != nil {
		return c.begun, fault
	}
	if c.movedTo(named) {
		start, fault := s.chooseStart(c.reading, named)
		if fault != nil {
			return c.begun, fault
		}
		c.request.Start = start
		again, begun, err := s.config.Hub.Subscribe(ctx, c.request)
		if err != nil {
			return c.begun, beginFault(err, sub.rows)
		}
		sub.Close()
		sub.Subscription, c.begun = again, begun
		sub.began = s.audit.begins(c.reading.Reading, start, begun)
	}
	sub.Under(lease.Fence())
	if len(c.begun.Cut) > 0 {
		if err := lease.Cut(ctx, sub.Position().Topic, c.begun.Cut, s.now()); err != nil {
			return c.begun, faultOf(err)
		}
	}
	return c.begun, nil
}

// movedTo reports whether the subscription has to begin anew, as another position is
// stored, nil for none, than was when it began: the last holder has acked meanwhile.
func (c *claim) movedTo(named *cursors.Stored) bool {
	if _, ok := c.reading.resumes(); ok || c.reading.Reset {
		return false
	}
	if named == nil || c.at == nil {
		return named != c.at
	}
	return named.Position.Topic != c.at.Position.Topic || !slices.Equal(named.Position.Offsets, c.at.Position.Offsets)
}

// claimAll takes the named cursors of those members that have claims, some at the same
// time, and returns the fault of each member. The members stay the caller's.
func (s *Server) claimAll(ctx context.Context, members []begunMember) []*wire.Error {
	var (
		faults = make([]*wire.Error, len(members))
		turns  = make(chan struct{}, beginAtOnce)
		all    sync.WaitGroup
	)
	for i := range members {
		if members[i].sub.claim == nil {
			continue
		}
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			defer s.recoveredAs(&faults[i], "taking a named cursor panicked")
			members[i].begun, faults[i] = s.claim(ctx, members[i].sub)
		})
	}
	all.Wait()
	return faults
}

// firstOf returns the first fault, nil if there is none.
func firstOf(faults []*wire.Error) *wire.Error {
	for _, fault := range faults {
		if fault != nil {
			return fault
		}
	}
	return nil
}
