package transport

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/upstream"
)

// asWhole returns why a request was refused as a whole, before any of its records was looked
// at, nil if it was not.
func asWhole(results []upstream.Stored) (why error) {
	for _, stored := range results {
		switch refused := stored.Err.(type) { //nolint:errorlint // never wrapped
		case *ingest.QuotaError, *overloadError:
			if why != nil && why != refused { //nolint:errorlint // the same value for all
				return nil
			}
			why = refused
		default:
			return nil
		}
	}
	return why
}

// tellQuotas sets the RateLimit fields (draft-ietf-httpapi-ratelimit-headers) of the answer
// to a publish: for each quota of the client what it admits in which time, what is left, and
// in how many seconds it will be whole.
func (s *Server) tellQuotas(h http.Header, stream string, by *ingest.Publisher) {
	if s.config.Quotas == nil {
		return
	}
	var policies, left []byte
	for _, a := range s.config.Quotas.Left(stream, by) {
		if len(policies) > 0 {
			policies, left = append(policies, ", "...), append(left, ", "...)
		}
		name := strconv.Quote(a.Scope + "-" + a.Unit)
		policies = fmt.Appendf(policies, `%s;q=%d;w=%d`, name, a.Most, seconds(a.Window))
		if a.Unit == "records" {
			policies = append(policies, `;qu="records"`...)
		} else {
			policies = append(policies, `;qu="record-bytes"`...)
		}
		left = fmt.Appendf(left, `%s;r=%d;t=%d`, name, a.Left, seconds(a.Full))
	}
	if len(policies) > 0 {
		h.Set("RateLimit-Policy", string(policies))
		h.Set("RateLimit", string(left))
	}
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// refusedAll returns the results of records that are refused for the same reason.
func refusedAll(records int, why error) []upstream.Stored {
	refused := make([]upstream.Stored, records)
	for i := range refused {
		refused[i] = ingest.Rejected(why)
	}
	return refused
}

// hold keeps the order of what the session publishes: after a publish was refused as a
// whole until a time, because of a quota or of the load, those to the same stream that come
// before it are refused, too. They would overtake it otherwise, as they may be smaller, and
// most were sent before the client knew. Publishes are refused as a whole in the goroutine
// that publishes, which is the one that reads the next message.
func (s *session) hold(stream string, results []upstream.Stored) {
	why := asWhole(results)
	if why == nil {
		return
	}
	wait := faultOf(why).RetryAfter
	if wait <= 0 {
		return
	}
	if s.holds == nil {
		s.holds = make(map[string]held)
	}
	s.holds[stream] = held{until: monotimeNow().Add(wait), why: why}
}

// holding returns the results of a number of records for a stream that is held back, nil if
// it is not.
func (s *session) holding(stream string, records int) []upstream.Stored {
	h, ok := s.holds[stream]
	if !ok {
		return nil
	}
	wait := h.until.Sub(monotimeNow())
	if wait <= 0 {
		delete(s.holds, stream)
		return nil
	}
	switch why := h.why.(type) { //nolint:errorlint // as asWhole returns it
	case *ingest.QuotaError:
		later := *why
		later.RetryAfter = wait
		return refusedAll(records, &later)
	default:
		return refusedAll(records, &overloadError{retryAfter: wait})
	}
}
