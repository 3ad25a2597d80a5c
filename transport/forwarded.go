package transport

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"sluice/auth"
)

// mappedBits is the length of the prefix before an IPv4 address in an IPv6 address
// (RFC 4291, section 2.5.5.2).
const mappedBits = 96

// addressOf returns the client's address: the peer's, or the one that trusted
// proxies report in X-Forwarded-For, read from the nearest proxy outwards.
func (s *Server) addressOf(r *http.Request) string {
	address, _ := s.clientOf(r)
	return address
}

// clientOf returns the client's address, and the number of trusted proxies in a row
// between the client and the server. Each proxy has appended the address that it was
// reached from. An element that is no address, as from a proxy that hides its
// clients, ends the row: the client is then identified by the address of that proxy.
func (s *Server) clientOf(r *http.Request) (address string, proxies int) {
	at, ok := parseHop(r.RemoteAddr)
	if !ok {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		return host, 0
	}
	var hops []string
	for s.trusts(at) {
		if proxies++; proxies == 1 {
			hops = listOf(r.Header, "X-Forwarded-For")
		}
		if len(hops) == 0 {
			break
		}
		hop, ok := parseHop(hops[len(hops)-1])
		if !ok {
			break
		}
		at, hops = hop, hops[:len(hops)-1]
	}
	return at.String(), proxies
}

// parseHop parses an address as proxies write it: plain, with a port, or an IPv6
// address in brackets. The zone is removed, as it has a meaning on one machine only,
// and an IPv4 address mapped to IPv6 is that IPv4 address.
func parseHop(text string) (netip.Addr, bool) {
	at, err := netip.ParseAddr(text)
	if err != nil {
		var with netip.AddrPort
		with, err = netip.ParseAddrPort(text)
		at = with.Addr()
	}
	if inner, bracketed := strings.CutPrefix(text, "["); err != nil && bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		if at, err = netip.ParseAddr(inner); !bracketed || !at.Is6() {
			return netip.Addr{}, false
		}
	}
	return at.Unmap().WithZone(""), err == nil
}

func (s *Server) trusts(address netip.Addr) bool {
	for _, prefix := range s.config.TrustedProxies {
		if at := prefix.Addr(); at.Is4In6() && prefix.Bits() >= mappedBits {
			prefix = netip.PrefixFrom(at.Unmap(), prefix.Bits()-mappedBits)
		}
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// schemeOf returns the scheme that the client used: that of the connection, or the
// one that trusted proxies report in X-Forwarded-Proto. If each proxy has appended
// its own, the element of the farthest trusted proxy counts, which the client has
// connected to; a shorter list begins with it. Elements before that one can come
// from anybody.
func (s *Server) schemeOf(r *http.Request) string {
	if _, proxies := s.clientOf(r); proxies > 0 {
		if schemes := listOf(r.Header, "X-Forwarded-Proto"); len(schemes) > 0 {
			switch strings.ToLower(schemes[max(0, len(schemes)-proxies)]) {
			case "https", "wss": // the latter from some proxies of WebSockets
				return "https"
			case "http", "ws":
				return "http"
			}
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// sameOrListed reports whether the page that sent a request may connect: its origin
// is the server's own or a listed one, or the request comes from no page.
func (s *Server) sameOrListed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	switch len(origins) {
	case 0:
		return true
	case 1:
	default:
		return false
	}
	if origins[0] == "" || s.config.Credentials.Origins.Allowed(origins[0]) {
		return true
	}
	return ofHost(r, s.schemeOf(r))
}

// ofHost reports whether a request comes from a page of the host that the request is
// sent to, with a scheme.
func ofHost(r *http.Request, scheme string) bool {
	own, err := auth.NewOrigins([]string{scheme + "://" + r.Host})
	origins := r.Header.Values("Origin")
	return err == nil && len(origins) == 1 && own.Allowed(origins[0])
}

// listOf returns the elements of a header that is a list, over all its lines,
// without the empty ones (RFC 9110, section 5.6.1).
func listOf(h http.Header, name string) (elements []string) {
	for _, line := range h.Values(name) {
		for element := range strings.SplitSeq(line, ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				elements = append(elements, element)
			}
		}
	}
	return elements
}

// networkOf returns the network that an address is counted as. The addresses of an
// IPv6 /64 count as one, because a client that has one of them has them all (RFC
// 4291, section 2.5.4).
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() {
		return address
	}
	return netip.PrefixFrom(networkAt(a), 64).String()
}

// networkAt returns the first address of the network that an address is counted as.
func networkAt(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	return netip.PrefixFrom(address, 64).Masked().Addr()
}
