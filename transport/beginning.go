package transport

import (
	"context"
	"sync"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/transport/wire"
)

// beginAtOnce is how many streams of a pattern are begun at the same time.
const beginAtOnce = 8

// begin begins a subscription for a session.
func (s *Server) begin(ctx context.Context, to *session, p *auth.Principal, r reading) (*subscription, hub.Begun, *wire.Error) {
	sub, begun, fault := s.beginFor(ctx, deliveredTo{
		owner:      to,
		shard:      to.worker.shard,
		labelled:   to.dialect.converses(),
		superseded: to.superseded,
	}, p, r)
	if sub != nil {
		sub.told = &sub.own
	}
	return sub, begun, fault
}

// beginMembers begins subscriptions, some at the same time. It returns those that have
// begun, in the order of the readings, and the fault of each reading.
func (s *Server) beginMembers(ctx context.Context, to *session, p *auth.Principal, readings []reading) ([]begunMember, []*wire.Error) {
	var (
		begun  = make([]begunMember, len(readings))
		faults = make([]*wire.Error, len(readings))
		turns  = make(chan struct{}, beginAtOnce)
		all    sync.WaitGroup
	)
	for i, r := range readings {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			defer s.recoveredAs(&faults[i], "beginning a subscription panicked")
			begun[i].sub, begun[i].begun, faults[i] = s.begin(ctx, to, p, r)
		})
	}
	all.Wait()
	members := begun[:0]
	for _, m := range begun {
		if m.sub != nil {
			members = append(members, m)
		}
	}
	return members, faults
}

// recoveredAs is deferred to turn a panic, which is a bug in the server, into a fault.
func (s *Server) recoveredAs(fault **wire.Error, what string) {
	if cause := recover(); cause != nil {
		s.notePanic(what, cause)
		*fault = wire.Errorf(wire.Internal, "internal server error")
	}
}

// superseded ends the subscription whose named cursor was taken by another
// subscription. If the subscription is not in the session yet, take ends it.
func (s *session) superseded(lease *cursors.Lease) {
	s.post(func(s *session, sc *scratch) {
		for _, sub := range s.subs {
			if sub.lease == lease && !s.closing {
				s.endSubscription(sub, endTaken(lease), sc)
				return
			}
		}
	})
}
