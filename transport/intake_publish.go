package transport

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/hub/filter"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// rights returns what the principal may publish with the rights that are in force now.
func (in *intake) rights(ctx context.Context) (allowed filter.Filter, fault *wire.Error) {
	s := in.server
	if !s.config.Auth.InForce(in.principal) {
		now, err := s.config.Auth.Refresh(in.principal)
		if err != nil {
			return filter.Filter{}, withdrawn(err)
		}
		in.principal = now
	}
	if fault = in.ended(ctx); fault != nil {
		return filter.Filter{}, fault
	}
	if allowed, fault = s.mayPublish(in.principal, in.stream); fault == nil {
		fault = s.approvePublish(ctx, in.principal, in.stream)
	}
	return allowed, fault
}

// publish stores the records of a group and answers all elements. It returns why the
// group is the last one.
func (in *intake) publish(ctx context.Context, group []element) (ends *wire.Error) {
	s := in.server
	allowed, fault := in.rights(ctx)
	if fault != nil {
		return fault
	}
	var messages []ingest.Message
	for i := range group {
		if group[i].fault == nil {
			messages = append(messages, group[i].message)
		}
	}
	results := in.store(ctx, allowed, messages)
	sum, _ := s.audit.group(in.request, in.stream, results)
	in.sum.stored += sum.stored
	in.sum.unknown += sum.unknown
	in.out = in.out[:0]
	for i := range group {
		e := &group[i]
		if e.fault != nil {
			if in.out = in.form.appendFault(in.out, e.fault, false); ends == nil {
				ends = in.strike(e.fault)
			}
			continue
		}
		stored := results[0]
		results = results[1:]
		if stored.Err == nil {
			in.out = in.form.appendStored(in.out, e.about, stored)
			continue
		}
		fault := s.publishFault(stored.Err)
		in.out = in.form.appendFault(in.out, fault, stored.Duplicate)
		if ends == nil && (fault.Retryable() || fault.Code == wire.PublishUnknown || ends401(fault)) {
			ends = fault
		}
	}
	if fault := in.flush(); fault != nil {
		return fault
	}
	return ends
}

// ends401 reports whether a fault is the end of the credential.
func ends401(fault *wire.Error) bool { return fault.Status() == http.StatusUnauthorized }

// store stores messages. If none of them was taken because too many are in flight, it waits
// and tries again, for as long as a publish may take.
func (in *intake) store(ctx context.Context, allowed filter.Filter, messages []ingest.Message) []upstream.Stored {
	if len(messages) == 0 {
		return nil
	}
	s := in.server
	from := origin{address: in.address, traceParent: strings.Join(in.request.Header.Values("Traceparent"), ",")}
	for until := time.Now().Add(s.limits().PublishTimeout); ; {
		stored := make(chan []upstream.Stored, 1)
		by := publisher(in.principal, in.stream, from, allowed)
		s.publish(in.principal, by, in.stream, slices.Clone(messages), func(results []upstream.Stored) { stored <- results })
		results := <-stored // publish bounds the time
		wait := s.noneTaken(results)
		if wait <= 0 || time.Now().Add(wait).After(until) {
			return results
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-s.drained:
		}
		if timer.Stop(); in.ended(ctx) != nil {
			return results
		}
	}
}

// noneTaken returns how long to wait if all records were refused because too many are in
// flight, else 0.
func (s *Server) noneTaken(results []upstream.Stored) (wait time.Duration) {
	for _, stored := range results {
		if stored.Err == nil {
			return 0
		}
		fault := s.publishFault(stored.Err)
		if fault.Code != wire.RateLimited || fault.Final {
			return 0
		}
		wait = max(wait, fault.RetryAfter, 10*time.Millisecond)
	}
	return wait
}

// strike counts an element that is no record. It returns why there have been too many.
func (in *intake) strike(fault *wire.Error) *wire.Error {
	s := in.server
	s.noteFault(fault, in.address)
	s.audit.refuse(s.audit.clientOf(in.request), fault, audit.ActPublish, routeOf(in.request), in.stream, 1)
	if now := time.Now(); now.Sub(in.faultsSince) >= time.Minute {
		in.faults, in.faultsSince = 0, now
	}
	in.faults++
	if most := s.limits().ErrorsPerMinute; most > 0 && in.faults > most {
		return wire.Errorf(wire.TooManyErrors, "more than %d records were malformed in a minute (limit errors_per_minute)", most)
	}
	return nil
}

// flush writes the answers to the client.
func (in *intake) flush() *wire.Error {
	if len(in.out) > 0 {
		if _, err := in.writer.Write(in.out); err != nil {
			return in.unwritten(err)
		}
	}
	if err := in.control.Flush(); err != nil {
		return in.unwritten(err)
	}
	return nil
}

// unwritten is the fault of an answer that cannot be written.
func (in *intake) unwritten(err error) *wire.Error {
	if fault := in.server.ended(in.principal); fault != nil {
		return fault
	}
	return &wire.Error{Code: wire.SlowConsumer, Message: "the client does not read the answers", Cause: fmt.Errorf("%w: %w", errClientLeft, err)}
}
