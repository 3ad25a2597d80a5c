package transport

import (
	"context"
	"errors"
	"sync/atomic"

	"sluice/auth"
	"sluice/hub/filter"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// origin is where a request to publish comes from.
type origin struct {
	address     string
	traceParent string // of the HTTP request, as the client has sent it
	correlation string // of the record with its reply, "" if none is expected
}

// publish stores those of the messages of a principal that can be sent before its token
// expires or is revoked. done is called exactly once. allowed passes the records that the
// principal may publish.
func (s *Server) publish(p *auth.Principal, from origin, allowed filter.Filter, stream string, messages []ingest.Message, done func([]upstream.Stored)) {
	tenant := s.tenants.of(p.Tenant())
	if !s.gate.mayPublish(p.Tenant()) {
		refused := make([]upstream.Stored, len(messages))
		for i := range refused {
			refused[i] = ingest.Rejected(errTenantPublishes)
		}
		s.metrics.published(refused, 0)
		tenant.published(refused)
		done(refused)
		return
	}
	valid, forget := s.valid(s.publishing, p)
	ctx, cancel := context.WithTimeout(valid, s.limits().PublishTimeout)
	if s.inFlight.Add(1) == 1 {
		s.pace.awaits(monotimeNow())
	}
	begun := s.now()
	var finished atomic.Bool
	finish := func(results []upstream.Stored) {
		if finished.Swap(true) {
			return
		}
		notSent(ctx, results)
		cancel()
		forget()
		took := s.now().Sub(begun)
		s.pace.answered(results, took, monotimeNow())
		s.metrics.published(results, took)
		tenant.published(results)
		s.gate.published(p.Tenant())
		s.inFlight.Add(-1)
		done(results)
	}
	panicked := true
	defer func() {
		// The caller answers a panic. It must not delay the end of the server.
		if panicked && !finished.Swap(true) {
			cancel()
			s.gate.published(p.Tenant())
			s.inFlight.Add(-1)
		}
	}()
	by := ingest.Publisher{
		Principal: p.Key(), Tenant: p.Tenant(), Address: from.address, TraceParent: from.traceParent,
		Correlation: from.correlation, Claims: p.Claims(), Allowed: allowed,
	}
	if !p.Anonymous() {
		by.Subject = p.ID()
	}
	s.ingest.Publish(ctx, stream, by, messages, finish)
	panicked = false
}

// answer returns the answer to a client that has published.
func (s *Server) answer(id string, batch bool, results []upstream.Stored) wire.Message {
	if !batch && len(results) == 1 {
		stored := results[0]
		if stored.Err != nil {
			fault := *s.publishFault(stored.Err)
			fault.ID = id
			if fault.Code == wire.DeadLettered {
				return &wire.DeadLetter{ID: id, Why: &fault, Duplicate: stored.Duplicate}
			}
			return &fault
		}
		return &wire.Published{ID: id, Partition: stored.Partition, Offset: stored.Offset, Timestamp: stored.Timestamp, Duplicate: stored.Duplicate}
	}
	m := &wire.PublishedBatch{ID: id, Results: make([]wire.Result, len(results))}
	for i, stored := range results {
		m.Results[i] = wire.Result{Partition: stored.Partition, Offset: stored.Offset, Duplicate: stored.Duplicate}
		if stored.Err != nil {
			m.Results[i] = wire.Result{Err: s.publishFault(stored.Err), Duplicate: stored.Duplicate}
		}
	}
	return m
}

// publishFault returns the fault of a record that is not stored. If too many are in flight,
// it says when that is likely to be over.
func (s *Server) publishFault(err error) *wire.Error {
	fault := faultOf(err)
	if errors.Is(err, errTenantPublishes) || errors.Is(err, upstream.ErrPublishOverloaded) {
		fault.RetryAfter = s.pace.retryAfter(monotimeNow())
	}
	return fault
}
