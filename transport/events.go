package transport

import (
	"bytes"
	"net/http"
	"time"

	"sluice/transport/wire"
)

// handleEvents serves GET /v1/events and GET /v1/streams/{stream}/events.
func (s *Server) handleEvents(w http.ResponseWriter, r *http.Request) {
	endpoint, stream := wire.EndpointEvents, r.PathValue("stream")
	if stream != "" {
		endpoint = wire.EndpointStreamEvents
	}
	last, twice := onceIn(r.Header, "Last-Event-ID")
	query, fault := wire.ParseQuery(r.URL.RawQuery, endpoint, last)
	if twice != nil {
		fault = twice
	}
	if query.LastEventID == wire.LastEventIDEnd {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	d := s.broadcastFor(r.Header)
	if stream != "" {
		query.Streams = []string{stream}
	}
	c := s.admitStream(r)
	defer c.leave()
	s.require(c)
	if c.fault == nil {
		c.fault = fault
	}
	x := s.newSession(d, c)
	defer x.releaseUnstarted()
	if c.fault == nil {
		c.fault = s.outcome(c.principal, s.openEvents(r, x, query))
	}
	if c.fault != nil {
		if query.ErrorsInStream || query.LastEventID != "" {
			s.refuseInStream(w, r, d, c.fault)
			return
		}
		s.refuse(w, r, c.fault)
		return
	}
	s.serveEvents(w, r, c, x)
}

// openEvents begins the subscriptions of an event stream's session.
func (s *Server) openEvents(r *http.Request, x *session, query wire.Query) *wire.Error {
	known, fault := s.knownCursor(query.LastEventID)
	if fault != nil {
		return fault
	}
	ctx, cancel := s.valid(r.Context(), x.principal)
	defer cancel()
	x.heartbeat = jittered(s.keepAlive(query.Heartbeat))
	x.expireAt(x.principal.ExpiresAt(), monotimeNow())
	var patterns []reading
	for _, stream := range query.Streams {
		asked := reading{
			Reading: query.Reading, id: stream, stream: stream, known: known,
			look: r.Method == http.MethodHead,
		}
		if wire.IsPattern(stream) && r.PathValue("stream") == "" {
			patterns = append(patterns, asked) // after the streams that have names
			continue
		}
		sub, begun, fault := s.begin(ctx, x, x.principal, asked)
		if fault != nil {
			return fault
		}
		if fault = x.take(x.principal, sub, begun, nil); fault != nil {
			sub.release()
			return fault
		}
	}
	for _, asked := range patterns {
		g, members, fault := s.beginGroup(ctx, x, x.principal, asked)
		if fault != nil {
			return fault
		}
		if fault = x.takeGroup(g, members, nil); fault != nil {
			releaseAll(members)
			return fault
		}
	}
	if fault := s.checkCursor(x.cursor(monotimeNow())); fault != nil {
		return fault
	}
	members := make([]begunMember, len(x.subs))
	for i, sub := range x.subs {
		members[i].sub = sub
	}
	if fault := firstOf(s.claimAll(ctx, members)); fault != nil {
		return fault
	}
	for _, sub := range x.subs {
		s.audit.subscribed(x, sub)
	}
	return nil
}

// serveEvents answers a request with the session's stream.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, c *client, x *session) {
	head := w.Header()
	s.setEventHeaders(head, x.dialect)
	if codec := x.dialect.codec(); codec != nil && len(x.subs) == 1 && len(x.groups) == 0 && x.subs[0].Compressible() {
		if s.takesGzip(r.Header) {
			head.Set("Content-Encoding", codingGzip)
			x.shares = &sharing{codec: codec, stream: &compressed{}}
		}
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	streams := make([]string, len(x.subs))
	for i, sub := range x.subs {
		streams[i] = sub.Stream()
	}
	ready := func(x *session, sc *scratch) {
		x.sendPosition(sc, &wire.Ready{Session: x.id, Streams: streams, Cursor: x.cursor(sc.now)})
		for _, g := range x.groups {
			x.groupCaughtUp(g, sc) // there may be no streams
		}
		x.followIfReplaced()
	}
	if r.ProtoMajor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			// The end of the connection is the end of the body, so that shared bytes
			// can be written unchanged, without chunk headers.
			head.Set("Connection", "close")
			head.Set("Date", s.now().UTC().Format(http.TimeFormat))
			var raw bytes.Buffer
			raw.WriteString("HTTP/1.1 200 OK\r\n")
			_ = head.Write(&raw)
			raw.WriteString("\r\n")
			_ = conn.SetDeadline(time.Time{})
			x.conn = conn
			x.attach(conn)
			s.start(x, c, func(x *session, sc *scratch) { x.sendHead(sc, raw.Bytes()); ready(x, sc) })
			s.tasks.Go(x.listen)
			return
		}
	}
	w = unbounded(w) // the session bounds its writes itself
	w.WriteHeader(http.StatusOK)
	x.out = &responseWriter{w: w, control: http.NewResponseController(w)}
	s.start(x, c, ready)
	select {
	case <-r.Context().Done():
		x.post(func(x *session, _ *scratch) { x.release() })
	case <-x.ended():
	}
	<-x.ended()
}

func (s *Server) setEventHeaders(h http.Header, d dialect) {
	h.Set("Content-Type", d.contentType())
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	if d.codec() != nil && s.config.Compression.EventStreams {
		h.Add("Vary", "Accept-Encoding")
	}
}

// refuseInStream answers a fault as a stream, where an EventSource can read it. An
// EventSource whose Last-Event-ID is refused, as it is none or older than the move of a
// named cursor, comes back without it, once: if the URL has such a cursor as well, the
// next request has no header that could be at fault.
func (s *Server) refuseInStream(w http.ResponseWriter, r *http.Request, d dialect, fault *wire.Error) {
	s.noteRefusal(r, fault)
	s.setEventHeaders(w.Header(), d)
	w.WriteHeader(http.StatusOK)
	closing := closingOf(fault)
	closing.Forget = (fault.Code == wire.BadCursor || fault.Code == wire.CursorMoved) && r.Header.Get("Last-Event-ID") != ""
	_, _ = w.Write(d.encodeClosing(nil, closing, 0, ""))
}
