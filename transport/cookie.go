package transport

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// maxCookieBytes is the length of a cookie's name and value up to which browsers store
// it (RFC 6265, section 6.1, and its successor).
const maxCookieBytes = 4096

// handleSetCookie serves POST /v1/cookie: it puts the token of the request into the
// cookie.
func (s *Server) handleSetCookie(w http.ResponseWriter, r *http.Request) {
	c := s.identifyPlain(r)
	if c.fault == nil {
		c.fault = s.cookieFault(r)
	}
	token := c.credential.Token.Reveal()
	switch {
	case c.fault != nil:
	case c.credential.Source != auth.FromHeader || c.credential.Scheme != auth.SchemeBearer:
		c.fault = wire.Errorf(wire.BadRequest, "send the token that the cookie is to hold as Authorization: Bearer")
	case strings.ContainsFunc(token, notInCookie):
		c.fault = wire.Errorf(wire.BadRequest, "the token has characters that a cookie cannot hold")
	case len(auth.CookieName)+len(token) > maxCookieBytes:
		c.fault = wire.Errorf(wire.TooLarge, "the token is longer than browsers store in a cookie, %d bytes with the name: use tickets", maxCookieBytes)
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	cookie := s.cookie(token) //nolint:gosec // it has all attributes
	if end := c.principal.ExpiresAt(); !end.IsZero() {
		cookie.MaxAge = max(1, int(end.Sub(s.now())/time.Second))
	}
	s.answerCookie(w, cookie)
}

// handleClearCookie serves DELETE /v1/cookie. It needs no valid credential: the cookie
// may have expired. The token in it stays valid.
func (s *Server) handleClearCookie(w http.ResponseWriter, r *http.Request) {
	fault := s.cookieFault(r)
	if fault == nil {
		_, fault = wire.ParsePlainQuery(r.URL.RawQuery, false)
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	cookie := s.cookie("") //nolint:gosec // it has all attributes
	cookie.MaxAge = -1
	s.answerCookie(w, cookie)
}

// cookieFault returns why a request may not set or clear the cookie, or nil. The rule is
// that for using it: without a page of an allowed origin, nobody could.
func (s *Server) cookieFault(r *http.Request) *wire.Error {
	switch {
	case s.config.Cookie == 0:
		return wire.Errorf(wire.BadRequest, "the cookie is not enabled on this server: set auth/cookie in the configuration")
	case r.ContentLength != 0:
		return wire.Errorf(wire.BadRequest, "a request for the cookie has no body")
	case !auth.FromAllowedOrigin(r, s.config.Credentials.Origins):
		return s.credentialFault(r, auth.ErrOriginRefused)
	case s.acrossTenants(r, auth.FromCookie):
		return s.credentialFault(r, errOtherTenant)
	case s.schemeOf(r) != "https" && !isLoopback(r.Host):
		return wire.Errorf(wire.BadRequest, "browsers accept the cookie over https only, except from localhost")
	}
	return nil
}

// isLoopback reports whether a Host header names the client's own machine. Browsers then
// treat http like https (W3C Secure Contexts, section 3.1), though not all of them for
// cookies.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

func (s *Server) cookie(token string) *http.Cookie {
	made := &http.Cookie{Name: auth.CookieName, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	made.SameSite = s.config.Cookie // as configured
	return made
}

func (s *Server) answerCookie(w http.ResponseWriter, cookie *http.Cookie) {
	http.SetCookie(w, cookie)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// notInCookie reports whether a character cannot stand in a cookie's value (RFC 6265,
// section 4.1.1).
func notInCookie(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(`",;\`, c)
}
