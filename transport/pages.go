package transport

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"sluice/hub"
	"sluice/transport/wire"
)

// pageRead bounds how long a page waits for records that Kafka already has.
const pageRead = 10 * time.Second

// handlePage serves GET /v1/streams/{stream}/records.
func (s *Server) handlePage(w http.ResponseWriter, r *http.Request) {
	last, twice := onceIn(r.Header, "Last-Event-ID")
	query, fault := wire.ParseQuery(r.URL.RawQuery, wire.EndpointRecords, last)
	if twice != nil {
		fault = twice
	}
	// A page that waits counts as a session. Other pages are answered with the
	// records that are available.
	enter := s.identify
	if query.Wait > 0 {
		enter = s.admit
	}
	c := enter(r)
	defer c.leave()
	s.require(c)
	if c.fault == nil {
		c.fault = fault
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	if query.Wait > 0 {
		s.polls.Add(1)
		defer s.polls.Add(-1)
	}
	page, cacheable, fault := s.page(r, c, query)
	if fault = s.outcome(c.principal, fault); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	size, events := page.Size(), asEvents(r.Header)
	if events {
		size = eventsSize(page)
	}
	release, fault := s.pages.reserve(c.principal, size)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	defer release()
	endsWith(w, c.principal)
	if events {
		writeEvents(w, page)
		return
	}
	s.writePage(w, r, page, cacheable)
}

// page reads one page, and reports whether caches may store it.
func (s *Server) page(r *http.Request, c *client, query wire.Query) (page *wire.Page, cacheable bool, fault *wire.Error) {
	known, fault := s.knownCursor(query.LastEventID)
	if fault != nil {
		return nil, false, fault
	}
	ctx, cancel := s.valid(r.Context(), c.principal)
	defer cancel()
	owner := make(pageOwner, 1)
	sub, _, fault := s.beginFor(ctx, deliveredTo{owner: owner}, c.principal, reading{
		Reading: query.Reading,
		stream:  r.PathValue("stream"),
		known:   known,
		unset:   hub.Start{Kind: hub.StartLast, Last: wire.DefaultPageLimit},
		look:    true,
		// Clients read a page to see what they have just published.
		afterStored: true,
	})
	if fault != nil {
		return nil, false, fault
	}
	defer sub.release()

	absolute := isAbsolute(query, len(sub.Position().Offsets))
	page = &wire.Page{}
	full, fault := s.fill(ctx, page, sub, owner, query)
	if fault != nil {
		return nil, false, fault
	}
	if fault := s.stillMay(c.principal, r.PathValue("stream"), sub.rows); fault != nil {
		return nil, false, fault
	}
	page.Cursor = sub.Cursor()
	s.metrics.delivered(protocolPage, len(page.Events), len(page.Gaps))
	s.tenants.of(c.principal.Tenant()).delivered(len(page.Events), len(page.Gaps))
	s.audit.pageRead(r, sub, page)
	return page, s.cacheable(c, sub, page, absolute, full), nil
}

// fill takes records into a page until it is full, or has all that there is for now. It
// waits for the first record as long as the query asks for.
func (s *Server) fill(ctx context.Context, page *wire.Page, sub *subscription, owner pageOwner, query wire.Query) (full bool, fault *wire.Error) {
	wait := time.NewTimer(query.Wait)
	defer wait.Stop()
	late := time.NewTimer(pageRead)
	defer late.Stop()
	for size := 0; ; {
		more := s.take(sub, query.Limit-len(page.Events), s.limits().PageBytes-size, func(isGap bool, body []byte) {
			size += len(body)
			if !isGap {
				page.Events = append(page.Events, body)
				return
			}
			var g wire.Gap
			if json.Unmarshal(body, &g) == nil {
				page.Gaps = append(page.Gaps, g)
			}
		})
		if reason := sub.Ended(); reason != "" {
			if len(page.Events) == 0 {
				return false, endedFault(reason, sub.Feed().Fault())
			}
			// Return what precedes the end first: the next page returns the end.
			return full, nil
		}
		page.CaughtUp = sub.AtTip()
		full = len(page.Events) >= query.Limit || size >= s.limits().PageBytes
		if full || page.CaughtUp && len(page.Events)+len(page.Gaps) > 0 {
			return full, nil
		}
		waited := wait.C
		if !page.CaughtUp {
			// There are more records, but they are still to be read from Kafka.
			waited = late.C
		}
		ready := (<-chan struct{})(owner)
		if more {
			ready = atOnce
		}
		select {
		case <-ready:
			continue
		case <-waited:
		case <-ctx.Done():
		case <-s.drained:
		}
		return full, nil
	}
}
