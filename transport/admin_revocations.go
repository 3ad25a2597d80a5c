package transport

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// The number of revocations in an answer.
const defaultRevocations, maxRevocations = 100, 1000

// adminRevocation shows a revocation to operators. Times are Unix milliseconds.
type adminRevocation struct {
	Issuer    string `json:"issuer,omitempty"`
	Subject   string `json:"subject,omitempty"`
	TokenID   string `json:"token_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
	Before    int64  `json:"before_at,omitempty"`
	Until     int64  `json:"until_at"`
}

func newAdminRevocation(r auth.Revocation) adminRevocation {
	made := adminRevocation{
		Issuer: r.Issuer, Subject: r.Subject, TokenID: r.TokenID, SessionID: r.SessionID, Tenant: r.Tenant,
		Until: r.Until.UnixMilli(),
	}
	if !r.Before.IsZero() {
		made.Before = r.Before.UnixMilli()
	}
	return made
}

// The instances on which a revocation is in force.
const (
	scopeAll      = "all_instances"
	scopeThis     = "this_instance"
	scopeAllLater = "this_instance_until_redis_is_back"
)

// handleRevoke serves POST /revocations.
func (s *Server) handleRevoke(w http.ResponseWriter, r *http.Request) {
	asked, fault := s.askedRevocation(w, r)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	ctx, cancel := s.waitFor(r.Context(), nil)
	defer cancel()
	complete, err := s.config.Auth.Revocations().Complete(asked)
	var made revocation
	if err == nil {
		noteRevocation(r, complete)
		made, err = s.revoke(ctx, complete)
	}
	switch {
	case errors.Is(err, auth.ErrBadRevocation):
		// The text is for the operator, and has nothing of the revocation.
		s.refuse(w, r, &wire.Error{Code: wire.BadRequest, Message: err.Error(), Cause: err})
		return
	case err != nil:
		s.refuse(w, r, faultOf(err))
		return
	}
	status, scope := http.StatusOK, scopeThis
	switch {
	case made.everywhere:
		scope = scopeAll
	case made.later:
		status, scope = http.StatusAccepted, scopeAllLater
	}
	body, err := json.Marshal(struct {
		Revocation adminRevocation `json:"revocation"`
		Scope      string          `json:"scope"`
	}{newAdminRevocation(made.Revocation), scope})
	if err != nil {
		s.refuse(w, r, faultOf(err))
		return
	}
	s.logger.Info("credentials revoked by an operator", "kind", kindOf(asked), "scope", scope, "until", made.Until)
	writeJSON(w, status, body)
}

// kindOf names what a revocation names, without the name.
func kindOf(r auth.Revocation) string {
	switch {
	case r.TokenID != "":
		return "token"
	case r.SessionID != "":
		return "session"
	case r.Subject != "":
		return "subject"
	default:
		return "tenant"
	}
}

// askedRevocation reads the body of a request to revoke.
func (s *Server) askedRevocation(w http.ResponseWriter, r *http.Request) (auth.Revocation, *wire.Error) {
	body, fault := s.operatorsBody(w, r)
	if fault != nil {
		return auth.Revocation{}, fault
	}
	read, fault := wire.ParseRevocation(body)
	if fault != nil {
		return auth.Revocation{}, fault
	}
	asked := auth.Revocation{
		Issuer: read.Issuer, Subject: read.Subject, TokenID: read.TokenID, SessionID: read.SessionID, Tenant: read.Tenant,
	}
	if read.BeforeAt != 0 {
		asked.Before = time.UnixMilli(read.BeforeAt)
	}
	if read.For != 0 {
		asked.Until = s.now().Add(read.For)
	}
	return asked, nil
}

// handleRevocations serves GET /revocations.
func (s *Server) handleRevocations(w http.ResponseWriter, r *http.Request) {
	most := defaultRevocations
	if text := r.URL.Query().Get("limit"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil || most < 1 || most > maxRevocations {
			s.refuse(w, r, wire.Errorf(wire.BadRequest, "limit is not a number from 1 to %d", maxRevocations))
			return
		}
	}
	list, total := s.config.Auth.Revocations().List(most)
	shown := make([]adminRevocation, len(list))
	for i := range list {
		shown[i] = newAdminRevocation(list[i])
	}
	s.writeView(w, r, map[string]any{"revocations": shown, "total": total})
}
