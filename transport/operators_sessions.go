package transport

import (
	"net/http"
	"time"

	"sluice/auth"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// The number of sessions in an answer.
const defaultSessions, maxSessions = 100, 500

// sessionView shows a session to operators. Times are Unix milliseconds.
type sessionView struct {
	Session string `json:"session"`
	// Principal is the subject of the credential, PrincipalKey what is unique across
	// issuers. Both are empty while the client is not authenticated yet.
	Principal       string `json:"principal"`
	PrincipalKey    string `json:"principal_key,omitempty"`
	Issuer          string `json:"issuer,omitempty"`
	Tenant          string `json:"tenant,omitempty"`
	Anonymous       bool   `json:"anonymous"`
	Unauthenticated bool   `json:"unauthenticated,omitempty"`
	Protocol        string `json:"protocol"`
	Dialect         string `json:"dialect"`
	Address         string `json:"address"`
	Started         int64  `json:"started"`
	ExpiresAt       int64  `json:"expires_at,omitempty"`
	// Busy is set if the session did not answer in time, because a write to its
	// connection blocks. What follows is then not known.
	Busy          bool               `json:"busy,omitempty"`
	SentRecords   uint64             `json:"sent_records"`
	SentGaps      uint64             `json:"sent_gaps"`
	SentBytes     uint64             `json:"sent_bytes"`
	BufferedBytes int                `json:"buffered_bytes"`
	Subscriptions []subscriptionView `json:"subscriptions"`
}

type subscriptionView struct {
	ID         string   `json:"id,omitempty"`
	Stream     string   `json:"stream,omitempty"`
	Pattern    string   `json:"pattern,omitempty"`
	State      string   `json:"state"`
	LagRecords *int64   `json:"lag_records,omitempty"`
	LagMS      *int64   `json:"lag_ms,omitempty"`
	CursorName string   `json:"cursor_name,omitempty"`
	Filter     string   `json:"filter,omitempty"`
	Key        []string `json:"key,omitempty"`
	MoreKeys   int      `json:"more_keys,omitempty"`
	KeyPrefix  string   `json:"key_prefix,omitempty"`
}

func sessionViewOf(x *session, p *auth.Principal, seen *sight, now time.Time) sessionView {
	v := sessionView{
		Session: x.id, Unauthenticated: p == nil, Protocol: x.dialect.protocol().String(), Dialect: x.dialect.name(),
		Address: x.address, Started: x.since.Time().UnixMilli(), Busy: seen == nil, Subscriptions: []subscriptionView{},
	}
	if p != nil {
		v.PrincipalKey, v.Issuer, v.Tenant, v.Anonymous = p.Key(), p.Issuer(), p.Tenant(), p.Anonymous()
		if !p.Anonymous() {
			v.Principal = p.ID()
		}
		if ends := p.ExpiresAt(); !ends.IsZero() {
			v.ExpiresAt = ends.UnixMilli()
		}
	}
	if seen == nil {
		return v
	}
	v.SentRecords, v.SentGaps, v.SentBytes, v.BufferedBytes = seen.records, seen.gaps, seen.bytes, seen.buffered
	for i := range seen.subs {
		v.Subscriptions = append(v.Subscriptions, seen.subs[i].view(now))
	}
	return v
}

func (s *subscriptionSight) view(now time.Time) subscriptionView {
	v := subscriptionView{ID: s.id, Stream: s.stream, Pattern: s.pattern, State: s.state}
	if s.stream != "" {
		lag := s.at.Lag()
		if lag.OffsetsKnown {
			v.LagRecords = &lag.Offsets
		}
		if lag.SinceKnown {
			age := lag.Age(now).Milliseconds()
			v.LagMS = &age
		}
	}
	if w := s.which; w != nil {
		v.CursorName, v.Filter, v.KeyPrefix, v.Key, v.MoreKeys = w.cursorName, w.filter, w.keyPrefix, w.keys, w.more
	}
	return v
}

// handleSessions serves GET /sessions.
func (s *Server) handleSessions(w http.ResponseWriter, r *http.Request, o operator) {
	q, fault := wire.ParseListQuery(r.URL.RawQuery, defaultSessions, maxSessions, "principal", "stream", "order")
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	ctx, cancel := s.waitFor(r.Context(), o.principal)
	defer cancel()
	page, fault := s.sessionsPage(ctx, q, o)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.lookAtPage(ctx, page.sessions)
	page.bound(subscriptionsPerPage)
	answer := struct {
		Sessions []sessionView `json:"sessions"`
		Total    int           `json:"total"`
		Next     string        `json:"next,omitempty"`
	}{Sessions: make([]sessionView, 0, len(page.sessions)), Total: page.total, Next: page.next()}
	for _, x := range page.sessions {
		answer.Sessions = append(answer.Sessions, sessionViewOf(x.session, x.who(), x.seen, s.now()))
	}
	s.writeView(w, r, answer)
}

// sessionOf returns the session that a request names. One that the operator may not see is
// unknown.
func (s *Server) sessionOf(r *http.Request, o operator) (*session, *wire.Error) {
	if fault := plain(r); fault != nil {
		return nil, fault
	}
	id := r.PathValue("session")
	for _, x := range s.sessions.all() {
		if x.id == id && o.sessionFits(wire.ListQuery{}, x) {
			return x, nil
		}
	}
	return nil, wire.Errorf(wire.UnknownSession, "this instance has no session with this id")
}

// target describes a session that an operator's request is about.
func (s *session) target() audit.Target {
	t := audit.Target{Session: s.id}
	if p := s.who(); p != nil {
		t.Principal, t.Tenant = p.Key(), p.Tenant()
	}
	return t
}

// handleKick serves DELETE /sessions/{session}: the session ends for good.
func (s *Server) handleKick(w http.ResponseWriter, r *http.Request, o operator) {
	x, fault := s.sessionOf(r, o)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	noteTarget(r, x.target())
	s.metrics.acts.WithLabelValues(actKick).Inc()
	x.closeSoon(endKicked())
	s.tasks.Go(func() { s.cutOffLate([]*session{x}) })
	w.WriteHeader(http.StatusNoContent)
}
