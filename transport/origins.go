package transport

import (
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
		return wire.Errorf(wire.Forbidden, "pages of this origin are not allowed to connect: add the origin to origins in the configuration")
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
