package transport

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"sluice/transport/wire"
)

// The admin listener requires no credentials: who can connect may operate. A page in an
// operator's browser can connect to loopback too, so that what changes state, or shows
// who is revoked, must not be done for a page, from whichever origin.

// forOperators refuses what a browser sends for a page.
//
// A browser adds Origin or Sec-Fetch-Site to every request of a page that changes state
// (Fetch, sections 3.1 and 3.2; Fetch Metadata, section 2). A page whose own name was
// made to resolve to this address (DNS rebinding) sends its name as Host.
func (s *Server) forOperators(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
			s.refuse(w, r, wire.Errorf(wire.Forbidden, "this is not for pages in browsers: use sluice revoke, or a client that sends neither Origin nor Sec-Fetch-Site"))
		case !s.operatorsHost(r.Host):
			s.refuse(w, r, wire.Errorf(wire.Forbidden, "the host is unknown: use localhost, an IP address, or a name in admin/hosts in the configuration"))
		default:
			next(w, r)
		}
	}
}

// operatorsHost reports whether a Host header names the listener in a way that no page
// can choose.
func (s *Server) operatorsHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if host == "localhost" || slices.Contains(s.config.AdminHosts, host) {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
