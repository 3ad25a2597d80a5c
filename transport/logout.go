package transport

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// handleLogout serves POST /v1/backchannel-logout (OpenID Connect Back-Channel Logout
// 1.0, section 2.5). The caller is the issuer, which has no credential but the token.
func (s *Server) handleLogout(w http.ResponseWriter, r *http.Request) {
	fault := s.logout(w, r)
	if fault != nil {
		if fault.HTTPStatus == 0 && !fault.Retryable() {
			fault.HTTPStatus = http.StatusBadRequest // section 2.8, whatever the code
		}
		s.refuse(w, r, fault)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) *wire.Error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return wire.Errorf(wire.BadRequest, "the content type is not application/x-www-form-urlencoded")
	}
	body, fault := s.readBody(w, r, nil)
	if fault != nil {
		return fault
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["logout_token"]) != 1 {
		return wire.Errorf(wire.BadRequest, "the body must have one logout_token")
	}
	ctx, cancel := s.waitFor(r.Context(), nil)
	defer cancel()
	token := form.Get("logout_token")
	revoked, err := s.config.Auth.Logout(ctx, token)
	switch {
	case errors.Is(err, auth.ErrUnauthenticated), errors.Is(err, auth.ErrTokenExpired):
		fault := wire.Errorf(wire.BadRequest, "the logout token is not valid")
		fault.Cause = err
		return fault
	case err != nil:
		return faultOf(err)
	}
	made, err := s.revoke(ctx, revoked)
	if err == nil && made.later {
		err = &wire.Error{
			Code: wire.Overloaded, Message: "the sessions on this instance have ended; the other instances cannot be reached", RetryAfter: 2 * time.Second,
		}
	}
	if err != nil {
		s.config.Auth.ForgetLogout(ctx, token)
		return faultOf(err)
	}
	s.audit.loggedOut(r, revoked)
	return nil
}
