package transport

import (
	"net/http"
	"time"
)

// handleDrainOne serves POST /sessions/{session}/drain: its client is told to come back.
func (s *Server) handleDrainOne(w http.ResponseWriter, r *http.Request, o operator) {
	x, fault := s.sessionOf(r, o)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	noteTarget(r, x.target())
	s.metrics.acts.WithLabelValues(actDrain).Inc()
	s.haveReconnect([]*session{x}, 0)
	w.WriteHeader(http.StatusNoContent)
}

// handleDrainAll serves POST /drain: the clients of all sessions are told to come back, each
// at its time, while the instance goes on serving.
func (s *Server) handleDrainAll(w http.ResponseWriter, r *http.Request, _ operator) {
	if fault := plain(r); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.metrics.acts.WithLabelValues(actDrain).Inc()
	all := s.sessions.all()
	s.logger.Info("an operator has all sessions reconnect", "sessions", len(all), "spread", s.config.DrainSpread)
	s.haveReconnect(all, s.config.DrainSpread)
	s.writeView(w, r, struct {
		Sessions int   `json:"sessions"`
		WithinMS int64 `json:"within_ms"`
	}{len(all), int64(s.config.DrainSpread / time.Millisecond)})
}

// haveReconnect tells the clients of sessions to come back within a time. Those whose clients
// do not read are not told, and cannot end by themselves: they are cut off, as at the end of a
// drain of the instance.
func (s *Server) haveReconnect(sessions []*session, within time.Duration) {
	now := monotimeNow()
	var last monotime
	for _, x := range sessions {
		after := spread(within)
		x.drainSoon(after, s.config.DrainTimeout)
		// Its last bytes may take a while, once its publishes in flight are given up.
		if by := now.Add(after + s.config.DrainTimeout + expiryGrace); x.leaveBy(by, within > 0) {
			last = max(last, by)
		}
	}
	if last == 0 {
		return // they have a time already
	}
	var alone <-chan struct{}
	if len(sessions) == 1 {
		alone = sessions[0].ended()
	}
	s.tasks.Go(func() { s.cutOffDrained(last, alone) })
}

// leaveBy sets when the session that is drained is cut off, and reports whether that is a new
// time. As in drainSoon, it has the first of several that are spread.
func (s *session) leaveBy(by monotime, spread bool) bool {
	for {
		was := s.cutAt.Load()
		if was != 0 && (spread || was <= int64(by)) {
			return false
		}
		if s.cutAt.CompareAndSwap(was, int64(by)) {
			return true
		}
	}
}

// cutOffDrained cuts off the sessions that operators have drained and that have not ended at a
// time, unless the only one has ended.
func (s *Server) cutOffDrained(at monotime, alone <-chan struct{}) {
	timer := time.NewTimer(at.Sub(monotimeNow()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-alone:
		return
	case <-s.drained:
		return // the instance ends, and cuts off all
	}
	for _, x := range s.sessions.all() {
		if by := monotime(x.cutAt.Load()); by != 0 && by <= at {
			x.cutSoon()
		}
	}
}
