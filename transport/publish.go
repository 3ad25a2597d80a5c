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
// expires or is revoked. done is called exactly once.
func (s *Server) publish(p *auth.Principal, by ingest.Publisher, stream string, messages []ingest.Message, done func([]upstream.Stored)) {
	if busy := s.shed(); busy != nil {
		refused := refusedAll(len(messages), busy)
		s.notePublishRefused(p, refused)
		done(refused)
		return
	}
	tenant := s.tenants.of(p.Tenant())
	if !s.gate.mayPublish(p.Tenant()) {
		refused := refusedAll(len(messages), errTenantPublishes)
		s.notePublishRefused(p, refused)
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
	s.ingest.Publish(ctx, stream, by, messages, finish)
	panicked = false
}

// shed returns why publishes are refused at present, nil if they are not: while new records
// wait longer than ShedAfter for their delivery, the processors are needed for that. Those
// who are refused come back at different times.
func (s *Server) shed() *overloadError {
	most := s.limits().ShedAfter
	if most <= 0 {
		return nil
	}
	if waits := s.config.Workers.Lag(); waits > most {
		return &overloadError{retryAfter: max(waits/2+spread(waits), leastRetry)}
	}
	return nil
}

// publisher returns who publishes to a stream. allowed passes the records that the principal may
// publish.
func publisher(p *auth.Principal, stream string, from origin, allowed filter.Filter) ingest.Publisher {
	by := ingest.Publisher{
		Principal: p.Key(), Tenant: p.Tenant(), Address: from.address, TraceParent: from.traceParent,
		Correlation: from.correlation, Claims: p.Claims(), Allowed: allowed,
	}
	if !p.Anonymous() {
		by.Subject, by.Quota = p.ID(), p.Quota(stream)
	}
	return by
}

// notePublishRefused counts records of a principal that are refused before anything else.
func (s *Server) notePublishRefused(p *auth.Principal, refused []upstream.Stored) {
	s.metrics.published(refused, 0)
	s.tenants.of(p.Tenant()).published(refused)
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
	if why := asWhole(results); why != nil {
		fault := *s.publishFault(why)
		fault.ID = id
		return &fault
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
	// Of a quota of publishes at once it is not known either.
	used, ok := errors.AsType[*ingest.QuotaError](err)
	if errors.Is(err, errTenantPublishes) || errors.Is(err, upstream.ErrPublishOverloaded) || ok && !used.Never && used.RetryAfter == 0 {
		fault.RetryAfter = s.pace.retryAfter(monotimeNow())
	}
	return fault
}
