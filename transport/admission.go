package transport

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"strings"

	"sluice/auth"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// client is the sender of a request: its address and its principal.
type client struct {
	address   string
	principal *auth.Principal // nil before authentication
	fault     *wire.Error     // why the client is refused
	admission *admission      // nil if there is none or it was handed over
	// tenant is that of the host name of the request, "" for none.
	tenant string
	// certificate is the client's, nil for none.
	certificate *x509.Certificate
	// credential is what the request came with. It lives no longer than the request.
	credential auth.Credential
	// bare is set if the request carries nothing by which its sender can be told from
	// others: no credential, and no certificate.
	bare bool
}

// describe implements party.
func (c *client) describe() audit.Client {
	return clientAs(c.principal, c.address, "", c.credential.Source, c.credential.Scheme)
}

// identify determines the client of a request. A request without a credential has no
// principal yet.
func (s *Server) identify(r *http.Request) *client {
	c := &client{address: s.addressOf(r), tenant: s.config.Auth.HostTenant(r.Host)}
	s.audit.identified(r, c)
	if s.draining.Load() {
		c.fault = &wire.Error{
			Code:       wire.Draining,
			Message:    "this instance is shutting down: reconnect to another one",
			RetryAfter: s.comeBack(),
		}
		return c
	}
	credential, err := s.credentialOf(r)
	if err == nil && s.acrossTenants(r, credential.Source) {
		err = errOtherTenant
	}
	if err != nil {
		c.fault = s.credentialFault(r, err)
		return c
	}
	c.certificate = credential.Proof.Certificate
	c.credential = credential
	if credential.IsZero() {
		c.bare = c.certificate == nil
		return c
	}
	credential.Proof.URL = s.schemeOf(r) + "://" + r.Host + r.URL.EscapedPath()
	credential.Proof.Address, credential.Tenant = networkOf(c.address), c.tenant
	if c.principal, err = s.config.Auth.Authenticate(r.Context(), credential); err != nil {
		c.fault = faultOf(err)
	}
	return c
}

// require makes a client without a credential an anonymous one.
func (s *Server) require(c *client) {
	if c.fault != nil || c.principal != nil {
		return
	}
	var err error
	if c.principal, err = s.config.Auth.Anonymous(networkOf(c.address), c.tenant); err != nil {
		c.fault = faultOf(err)
	}
}

// identifyPlain is identify and require for requests without parameters.
func (s *Server) identifyPlain(r *http.Request) *client {
	c := s.identify(r)
	s.require(c)
	if c.fault == nil {
		_, c.fault = wire.ParsePlainQuery(r.URL.RawQuery, false)
	}
	return c
}

// admit is identify for a request that becomes a session or waits, and so counts
// against the limits. The caller must defer leave.
func (s *Server) admit(r *http.Request) *client {
	c := s.identify(r)
	if c.fault != nil {
		return c
	}
	if c.admission, c.fault = s.gate.admit(networkOf(c.address)); c.fault != nil {
		return c
	}
	if c.principal != nil {
		c.fault = c.admission.identified(c.principal)
	}
	return c
}

// admitStream is admit for an event stream, of which clients of one address may open
// so many a second.
func (s *Server) admitStream(r *http.Request) *client {
	if address := s.addressOf(r); r.Method != http.MethodHead {
		if fault := s.opensTooFast(address); fault != nil {
			return &client{address: address, fault: fault}
		}
	}
	return s.admit(r)
}

// opensTooFast counts a client that opens a session. It returns a fault if clients of
// its address do so too fast.
func (s *Server) opensTooFast(address string) *wire.Error {
	from, err := netip.ParseAddr(address)
	if err != nil || s.draining.Load() {
		return nil
	}
	wait := s.openings.admit(networkAt(from), monotimeNow())
	if wait <= 0 {
		return nil
	}
	fault := wire.Errorf(wire.RateLimited, "sessions are opened too fast from this address")
	fault.RetryAfter = max(wait, comeBackSoon())
	return fault
}

// handOver moves the client's admission to the session that the client becomes.
func (c *client) handOver() *admission {
	a := c.admission
	c.admission = nil
	return a
}

// leave releases the client's admission, unless it was handed over.
func (c *client) leave() { c.admission.release() }

// tokenIn reports whether a header that is a list of tokens contains a token.
func tokenIn(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
