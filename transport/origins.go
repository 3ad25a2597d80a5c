package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"sluice/auth"
	"sluice/transport/wire"
)

// originFault returns why a page may not connect, nil if it may. The origin of a page
// from this host that has another scheme is most likely the server's own, seen through
// a proxy that ends TLS: listing the origin would be the wrong remedy. The client is
// told the kind of mistake, and the log the address of the proxy.
func (s *Server) originFault(r *http.Request) *wire.Error {
	if s.sameOrListed(r) {
		return nil
	}
	if s.schemeOf(r) != "http" || !ofHost(r, "https") {
		fault := unlisted(r, "connect")
		fault.Cause = originOf(r)
		return fault
	}
	peer, known := parseHop(r.RemoteAddr)
	switch {
	case known && s.trusts(peer):
		fault := wire.Errorf(wire.Forbidden, "the page is https, this connection http: the proxy has to send X-Forwarded-Proto: https")
		fault.Cause = fmt.Errorf("the proxy %s does not say that its client uses https", peer)
		return fault
	case known && isForwarded(r.Header):
		fault := wire.Errorf(wire.Forbidden, "the page is https, this connection http: add the proxy that ends TLS to trusted_proxies")
		fault.Cause = fmt.Errorf("forwarding headers from %s are ignored: if it is your proxy, add it to trusted_proxies", peer)
		return fault
	}
	return wire.Errorf(wire.Forbidden, "the page is https, this connection http: a proxy that ends TLS belongs in trusted_proxies and sends X-Forwarded-Proto")
}

// unlisted is the fault of a page that may not do something because its origin is not
// listed. Some origins cannot be listed. Like the texts below, it fits into a close frame,
// the only text that scripts of a page can read.
func unlisted(r *http.Request, what string) *wire.Error {
	switch origins := r.Header.Values("Origin"); {
	case len(origins) > 1:
		return wire.Errorf(wire.Forbidden, "a request with more than one Origin may not %s", what)
	case len(origins) == 1 && origins[0] == "null":
		return wire.Errorf(wire.Forbidden, "pages with Origin: null, which cannot be listed, may not %s: serve the page from an origin", what)
	}
	return wire.Errorf(wire.Forbidden, "pages of this origin may not %s: add the origin to origins in the configuration", what)
}

// originOf names the page that sent a request, for the log.
func originOf(r *http.Request) error {
	return fmt.Errorf("the origin of the page is %s", wire.Shown(strings.Join(r.Header.Values("Origin"), ", ")))
}

// notesPages logs the requests of pages to which their browsers will not show the answer.
// Such a request is answered like others; where it is refused, that is logged by itself.
func (s *Server) notesPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			if r.URL.Path != "/v1/ws" && !s.sameOrListed(r) {
				fault := unlisted(r, "read the answer")
				fault.Cause = originOf(r)
				s.faults.note(fault, s.addressOf(r))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// errOtherTenant refuses what browsers and proxies add to the request of a page at the
// host of another tenant.
var errOtherTenant = fmt.Errorf("%w: the page is at the host of another tenant", auth.ErrOriginRefused)

// credentialFault is the fault of a request whose credential is refused. It tells why a
// page may not use what its browser or a proxy adds: the credential itself is in order.
func (s *Server) credentialFault(r *http.Request, err error) *wire.Error {
	var fault *wire.Error
	switch {
	case !errors.Is(err, auth.ErrOriginRefused):
		return faultOf(err)
	case errors.Is(err, errOtherTenant):
		fault = wire.Errorf(wire.Forbidden, "this page's host is another tenant's (tenants/host): use cookies at the tenant's own host, or send a token")
	case len(r.Header.Values("Origin")) == 0:
		fault = wire.Errorf(wire.Forbidden, "a cookie, certificate or proxy identity needs an Origin of origins, or Sec-Fetch-Site: same-origin")
	default:
		fault = unlisted(r, "use a cookie or certificate")
	}
	fault.Cause = err
	return fault
}

// acrossTenants reports whether a page at the host of one tenant uses, at the host of
// another, what browsers and proxies add to a request by themselves. That both origins are
// listed only means that each tenant has pages.
func (s *Server) acrossTenants(r *http.Request, by auth.Source) bool {
	if by != auth.FromCookie && by != auth.FromConnection && by != auth.FromProxy {
		return false
	}
	_, page, _ := strings.Cut(r.Header.Get("Origin"), "://")
	here, there := s.config.Auth.HostTenant(r.Host), s.config.Auth.HostTenant(page)
	return here != "" && there != "" && here != there
}

// isForwarded reports whether a proxy says that it has forwarded a request.
func isForwarded(h http.Header) bool {
	for _, name := range [...]string{"X-Forwarded-Proto", "X-Forwarded-For", "Forwarded"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}
