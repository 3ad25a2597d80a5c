package transport

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"sluice/auth"
	"sluice/hub/filter"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// expected is the reply to a record that is about to be published: the first record of
// a stream, from then on, that has the same correlation and that the principal may read.
type expected struct {
	server      *Server
	principal   *auth.Principal
	to          wire.ReplyTo
	correlation string
	cursor      string // before the record was published
	sub         *subscription
	owner       pageOwner
}

// expect begins to read where the reply to a record of a stream is expected, before the
// record can have one. The caller must release the result.
func (s *Server) expect(ctx context.Context, p *auth.Principal, stream string, to wire.ReplyTo) (*expected, *wire.Error) {
	switch {
	case s.config.CorrelationHeader == "":
		return nil, wire.Errorf(wire.BadRequest, "replies are not configured on this server")
	case to.Stream == stream:
		// The record itself would be the first one with its correlation.
		return nil, wire.Errorf(wire.BadRequest, "a reply is expected in another stream than that of its record")
	}
	e := &expected{server: s, principal: p, to: to, correlation: rand.Text(), owner: make(pageOwner, 1)}
	if fault := e.begin(ctx, wire.From{Kind: wire.StartLatest}); fault != nil {
		return nil, fault
	}
	s.awaited.Add(1)
	return e, nil
}

// begin begins to read what has the correlation.
func (e *expected) begin(ctx context.Context, from wire.From) (fault *wire.Error) {
	s := e.server
	e.sub, _, fault = s.beginFor(ctx, deliveredTo{owner: e.owner}, e.principal, reading{
		Reading: wire.Reading{From: from},
		stream:  e.to.Stream,
		only:    filter.In(filter.Header(s.config.CorrelationHeader), filter.String(e.correlation)),
	})
	if fault != nil {
		fault = s.outcome(e.principal, fault)
		fault.Message = "the stream of the reply: " + fault.Message
		return fault
	}
	e.cursor = e.sub.Cursor()
	return nil
}

// follow reads the reply to a record that has the correlation of an earlier publish under its
// message id, from a time before that reply. The fault, if that is not possible, has the client
// ask again: that the record is not stored must not be said.
func (e *expected) follow(ctx context.Context, stored upstream.Stored) *wire.Error {
	if stored.Correlation == "" || stored.Correlation == e.correlation {
		return nil
	}
	e.sub.release()
	e.sub, e.correlation = nil, stored.Correlation
	ctx, cancel := e.server.waitFor(ctx, e.principal)
	defer cancel()
	fault := e.begin(ctx, wire.From{Kind: wire.StartTime, Time: stored.Since})
	if fault == nil {
		return nil
	}
	return &wire.Error{
		Code: wire.PublishUnknown, Again: true, RetryAfter: max(fault.RetryAfter, time.Second), Cause: fault,
		Message: "the record is stored, and its reply cannot be read now: publish it again with the same message id",
	}
}

func (e *expected) release() {
	if e.sub != nil {
		e.sub.release()
	}
	e.server.awaited.Add(-1)
}

// await waits for the reply to a record that is stored, until the time is over, the client
// is gone, or the server drains. What ends the wait does not change that the record is
// stored, which the answer says in every case. free releases the memory of the answer.
func (e *expected) await(ctx context.Context, gone <-chan struct{}, stored upstream.Stored) (answer *wire.Replied, free func()) {
	ctx, cancel := e.server.valid(ctx, e.principal)
	defer cancel()
	answer = &wire.Replied{
		Published: wire.Published{Partition: stored.Partition, Offset: stored.Offset, Timestamp: stored.Timestamp, Duplicate: stored.Duplicate},
		Stream:    e.to.Stream, Cursor: e.cursor,
		Header: e.server.config.CorrelationHeader, Correlation: e.correlation,
	}
	free = func() {}
	wait := time.NewTimer(e.to.Wait)
	defer wait.Stop()
	var event []byte
	for {
		more := e.server.take(e.sub, 1, e.server.limits().PageBytes, func(isGap bool, body []byte) {
			if !isGap {
				event = body
			}
		})
		if event != nil || e.sub.Ended() != "" {
			break
		}
		ready := (<-chan struct{})(e.owner)
		if more {
			ready = atOnce
		}
		select {
		case <-ready:
			continue
		case <-wait.C:
		case <-gone:
		case <-ctx.Done():
		case <-e.server.drained:
		}
		break
	}
	if event == nil || e.server.ended(e.principal) != nil || e.server.stillMay(e.principal, e.to.Stream, e.sub.rows) != nil {
		return answer, free
	}
	if release, fault := e.server.pages.reserve(e.principal, len(event)); fault == nil {
		answer.Event, free = event, release
		e.server.metrics.delivered(protocolPage, 1, 0)
		e.server.tenants.of(e.principal.Tenant()).delivered(1, 0)
	}
	return answer, free
}

// expectFor is expect for an HTTP request that publishes messages, nil if it expects no reply.
func (s *Server) expectFor(r *http.Request, p *auth.Principal, to wire.ReplyTo, messages []ingest.Message, batch bool) (*expected, *wire.Error) {
	switch {
	case !to.ExpectsReply():
		return nil, nil
	case batch:
		return nil, wire.Errorf(wire.BadRequest, "the parameter reply is for a single record, and cannot be combined with records")
	}
	ctx, cancel := s.waitFor(r.Context(), p)
	defer cancel()
	return s.expect(ctx, p, r.PathValue("stream"), to)
}

// answerWithReply answers an HTTP client whose record is stored, once the reply has come,
// or has not.
func (s *Server) answerWithReply(w http.ResponseWriter, r *http.Request, e *expected, stored upstream.Stored) {
	if fault := e.follow(r.Context(), stored); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	answer, free := e.await(r.Context(), nil, stored)
	defer free()
	if answer.Event != nil {
		s.audit.pageRead(r, e.sub, &wire.Page{Events: [][]byte{answer.Event}})
	}
	endsWith(w, e.principal)
	writeJSON(w, answer.Status(), answer.AppendBody(nil))
}

// mayAwait counts a reply that the session is to wait for, which ends with doneAwaiting.
// It returns a fault if there are too many.
func (s *session) mayAwait() *wire.Error {
	most := s.server.limits().RepliesPerSession
	if n := s.replies.Add(1); most > 0 && int(n) > most {
		s.replies.Add(-1)
		fault := wire.Errorf(wire.RateLimited, "a session waits for at most %d replies at a time", most)
		fault.RetryAfter = time.Second
		return fault
	}
	return nil
}

// expect is Server.expect for a session.
func (s *session) expect(p *auth.Principal, stream string, to wire.ReplyTo) (*expected, *wire.Error) {
	if fault := s.mayAwait(); fault != nil {
		return nil, fault
	}
	ctx, cancel := s.server.waitFor(s.server.base, p)
	defer cancel()
	e, fault := s.server.expect(ctx, p, stream, to)
	if fault != nil {
		s.replies.Add(-1)
	}
	return e, fault
}

// forgo ends the wait for a reply.
func (s *session) forgo(e *expected) {
	e.release()
	s.replies.Add(-1)
}

// await sends the answer to a publish once its reply has come, or has not.
func (s *session) await(id string, e *expected, stored upstream.Stored) {
	s.server.tasks.Go(func() {
		defer s.forgo(e)
		if fault := e.follow(s.server.base, stored); fault != nil {
			fault.ID = id
			s.post(func(s *session, sc *scratch) {
				if !s.closing {
					s.send(sc, fault)
				}
			})
			return
		}
		answer, free := e.await(s.server.base, s.ended(), stored)
		answer.ID = id
		if !s.do(func(s *session, sc *scratch) {
			if s.closing {
				return
			}
			if answer.Event != nil {
				s.server.audit.replied(s, e.sub)
			}
			s.send(sc, answer)
		}) {
			s.server.logger.Debug("a session ended before the reply to its record")
		}
		free()
	})
}
