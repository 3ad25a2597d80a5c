package transport

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// addressOf is the client's address: the peer's, or what trusted proxies say,
// read from the nearest one on (X-Forwarded-For).
func (s *Server) addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	address = address.Unmap().WithZone("")
	if !s.trusts(address) {
		return address.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
		if !s.trusts(address) {
			break
		}
	}
	return address.String()
}

func (s *Server) trusts(address netip.Addr) bool {
	for _, prefix := range s.config.TrustedProxies {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// sameOrListed reports whether a page may connect: one of our own origin or of
// a listed one, or no page at all.
func (s *Server) sameOrListed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || s.config.Credentials.Origins.Allowed(origin) {
		return true
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	} else if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		if peer, err := netip.ParseAddr(host); err == nil && s.trusts(peer.Unmap()) {
			if forwarded := r.Header.Get("X-Forwarded-Proto"); forwarded != "" {
				scheme = forwarded
			}
		}
	}
	return origin == scheme+"://"+r.Host
}
