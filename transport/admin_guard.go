package transport

import (
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sluice/transport/wire"
)

// The admin listener requires no credentials: who can connect may operate. A page in an
// operator's browser can connect to loopback too, so that nothing must be shown to a page,
// or done for one, from whichever origin.

// forOperators refuses what a browser sends for a page.
//
// A browser adds Origin or Sec-Fetch-Site to every request of a page that changes state
// (Fetch, sections 3.1 and 3.2; Fetch Metadata, section 2).
func (s *Server) forOperators(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			s.refuse(w, r, wire.Errorf(wire.Forbidden, "this is not for pages in browsers: use sluice revoke, sluice sessions or sluice cursors, or a client that sends neither Origin nor Sec-Fetch-Site"))
			return
		}
		next(w, r)
	}
}

// maxOperatorsBody bounds the body of an operator's request, and of one for a token.
const maxOperatorsBody = 16 << 10

// operatorsBody reads the body of such a request.
func (s *Server) operatorsBody(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Error) {
	// Other types can be sent by a page without a preflight.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, wire.Errorf(wire.BadRequest, "the content type is not application/json")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits().MessageAssembly))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOperatorsBody))
	if err != nil {
		return nil, wire.Errorf(wire.BadRequest, "the body could not be read, or is larger than %d bytes", maxOperatorsBody)
	}
	return body, nil
}

// named refuses requests under a name that a page could have. A page whose own name was
// made to resolve to this address (DNS rebinding) is of the listener's origin, and can read
// its answers; but it sends its name as Host. Whether the instance is alive and ready is
// no secret, and is asked under any name.
func (s *Server) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/livez" && r.URL.Path != "/readyz" && !s.operatorsHost(r.Host) {
			s.refuse(w, r, wire.Errorf(wire.Forbidden, "the host is unknown: use localhost, an IP address, a name without dots, or one in admin/hosts in the configuration"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operatorsHost reports whether a Host header names the listener in a way that no page
// can choose. No page on the internet has a name without dots.
func (s *Server) operatorsHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if host != "" && !strings.Contains(host, ".") && !strings.Contains(host, ":") || slices.Contains(s.config.AdminHosts, host) {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// fromThisMachine reports whether a request comes from a client on this machine: it has
// come to loopback, under a name that no page can choose, and no proxy or tunnel on this
// machine, which can set the name, says that it brings the request of another.
func (s *Server) fromThisMachine(r *http.Request) bool {
	brought := isForwarded(r.Header) || r.Header.Get("Via") != "" || r.Header.Get("X-Real-IP") != ""
	return onLoopback(r) && s.operatorsHost(r.Host) && !brought
}

// onLoopback reports whether a request has come to an address that only this machine
// reaches.
func onLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}
