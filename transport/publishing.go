package transport

import (
	"net/http"
	"strings"

	"sluice/hub/filter"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// handlePublish serves POST /v1/streams/{stream}/records.
func (s *Server) handlePublish(w http.ResponseWriter, r *http.Request) {
	if isLines(r.Header) {
		s.handlePublishLines(w, r)
		return
	}
	// A request that waits for a reply counts as a session.
	to, unclear := wire.ParseReplyTo(r.URL.RawQuery)
	enter := s.identify
	if to.ExpectsReply() {
		enter = s.admit
	}
	c := enter(r)
	defer c.leave()
	s.require(c)
	var allowed filter.Filter
	if c.fault == nil {
		allowed, c.fault = s.mayPublish(c.principal, r.PathValue("stream"))
	}
	if c.fault == nil {
		c.fault = s.approvePublish(r.Context(), c.principal, r.PathValue("stream"))
	}
	if c.fault == nil {
		c.fault = unclear
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	body, fault := s.readInflated(w, r, c.principal)
	if fault == nil {
		c.principal, allowed, fault = s.stillMayPublish(c.principal, r.PathValue("stream"), allowed)
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	messages, batch, fault := s.parsePublish(r, r.PathValue("stream"), body)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	if len(messages) == 0 { // a batch of CloudEvents can be empty
		writeJSON(w, http.StatusOK, (&wire.PublishedBatch{}).AppendBody(nil))
		return
	}
	from := origin{address: s.addressOf(r), traceParent: strings.Join(r.Header.Values("Traceparent"), ",")}
	reply, fault := s.expectFor(r, c.principal, to, messages, batch)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	if reply != nil {
		s.intakes.Add(1)
		defer s.intakes.Add(-1)
		defer reply.release()
		from.correlation = reply.correlation
	}
	stored := make(chan []upstream.Stored, 1)
	by := publisher(c.principal, r.PathValue("stream"), from, allowed)
	s.publish(c.principal, by, r.PathValue("stream"), messages, func(results []upstream.Stored) { stored <- results })
	// Wait even if the client has left: publish bounds the time.
	results := <-stored
	s.audit.posted(r, r.PathValue("stream"), results)
	s.tellQuotas(w.Header(), r.PathValue("stream"), &by)
	s.answerPublish(w, r, batch, reply, results)
}

// answerPublish answers with what has become of the records, or with the reply to the record
// if one is expected.
func (s *Server) answerPublish(w http.ResponseWriter, r *http.Request, batch bool, reply *expected, results []upstream.Stored) {
	if why := noneSent(results); why != nil {
		s.refuse(w, r, faultOf(why))
		return
	}
	if reply != nil && results[0].Err == nil {
		s.answerWithReply(w, r, reply, results[0])
		return
	}
	switch m := s.answer("", batch, results).(type) {
	case *wire.Error:
		s.refuse(w, r, m)
	case *wire.Published:
		writeJSON(w, http.StatusOK, m.AppendBody(nil))
	case *wire.DeadLetter:
		writeJSON(w, http.StatusAccepted, m.AppendBody(nil))
	case *wire.PublishedBatch:
		writeJSON(w, m.Status(), m.AppendBody(nil))
	}
}
