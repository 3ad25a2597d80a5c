package transport

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sluice/auth"
	"sluice/transport/wire"
)

func behindProxies() *Server {
	return &Server{config: Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10"),
	}}}
}

// TestForwarded generates chains of proxies that write addresses in every possible
// form, after anything that the client has sent.
func TestForwarded(t *testing.T) {
	t.Parallel()
	s := behindProxies()
	r := rand.New(rand.NewPCG(9, 9))
	trusted := []string{"10.0.0.1", "10.255.3.4", "fd00::1", "fe80::7"}
	foreign := []string{"203.0.113.9", "198.51.100.200", "2001:db8::1", "::1", "9.255.255.255", "11.0.0.0"}
	// write returns an address in one of the forms that proxies use.
	write := func(address string) string {
		port := 1 + r.IntN(65535)
		at := netip.MustParseAddr(address)
		if at.Is4() {
			return []string{
				address, fmt.Sprintf("%s:%d", address, port), "::ffff:" + address, "[::ffff:" + address + "]",
				fmt.Sprintf("[::ffff:%s]:%d", address, port),
			}[r.IntN(5)]
		}
		zone := ""
		if at.IsLinkLocalUnicast() && r.IntN(2) == 0 {
			zone = "%eth0"
		}
		return []string{
			address + zone, "[" + address + zone + "]", fmt.Sprintf("[%s%s]:%d", address, zone, port),
			strings.ToUpper(address) + zone, at.StringExpanded() + zone,
		}[r.IntN(5)]
	}
	// none are not addresses.
	none := []string{
		"unknown", "_hidden", "_SEVKISEK", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999", "[1.2.3.4]",
		"[1.2.3.4]:80", "[::1", "::1]", "[::1]:", "[]", "[]:80", "localhost", `"[2001:db8::1]:80"`, "for=1.2.3.4", "1.2.3.4 10.0.0.1",
		"0x0a000001", "167772161", "1.2.3.4/8", "%", "[::1%]", "\x00", "１０.0.0.1", ":80", "-",
	}
	garbage := append(slices.Clone(none), "10.0.0.1", "fd00::1", "203.0.113.77", "https", "", " ")
	for range 20_000 {
		var forged []string
		for range r.IntN(4) {
			forged = append(forged, garbage[r.IntN(len(garbage))])
		}
		// The chain from the client on: each proxy appends the address that it was
		// reached from.
		client, depth := foreign[r.IntN(len(foreign))], r.IntN(4)
		from := []string{client}
		for range depth {
			from = append(from, trusted[r.IntN(len(trusted))])
		}
		want := client
		written := forged
		for _, address := range from[:depth] {
			written = append(written, write(address))
		}
		proxies := depth
		if depth > 0 && r.IntN(4) == 0 {
			// One of the proxies hides the address that it was reached from.
			hidden := r.IntN(depth)
			written[len(forged)+hidden] = none[r.IntN(len(none))]
			want, proxies = from[hidden+1], depth-hidden
		}
		peer := from[depth]
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if at := netip.MustParseAddr(peer); at.IsLinkLocalUnicast() {
			req.RemoteAddr = "[" + peer + "%eth1]:4711"
		} else {
			req.RemoteAddr = netip.AddrPortFrom(at, 4711).String()
		}
		// Split over random lines, with random spaces.
		for i := 0; i < len(written); {
			n := 1 + r.IntN(len(written)-i)
			req.Header.Add("X-Forwarded-For", strings.Join(written[i:i+n], []string{",", ", ", " ,\t", ",,"}[r.IntN(4)]))
			i += n
		}
		got, n := s.clientOf(req)
		if wanted := netip.MustParseAddr(want).Unmap().String(); got != wanted || n != proxies {
			t.Fatalf("from %s with %q: got %s behind %d, want %s behind %d", req.RemoteAddr, req.Header["X-Forwarded-For"], got, n, wanted, proxies)
		}
	}
}

// TestForwardedScheme: the scheme that the farthest trusted proxy of the row reports
// counts, whatever precedes it, and nothing that comes from elsewhere.
func TestForwardedScheme(t *testing.T) {
	t.Parallel()
	s := behindProxies()
	const one, two, alien = "203.0.113.9", "203.0.113.9, 10.0.0.2", "10.0.0.9, 203.0.113.9"
	for _, c := range []struct {
		peer, addresses string
		schemes         []string
		tls             bool
		want            string
	}{
		{"10.0.0.1:1", one, []string{"https"}, false, "https"},
		{"10.0.0.1:1", one, []string{"HTTPS"}, false, "https"},
		{"10.0.0.1:1", one, []string{" Https "}, false, "https"},
		{"10.0.0.1:1", one, []string{"WSS"}, false, "https"},
		{"10.0.0.1:1", one, []string{"ws"}, false, "http"},
		{"10.0.0.1:1", one, []string{"http"}, true, "http"},
		{"10.0.0.1:1", "", []string{"https"}, false, "https"},
		{"[fe80::1%eth0]:1", one, []string{"https"}, false, "https"},
		{"[::ffff:10.0.0.1]:1", one, []string{"https"}, false, "https"},
		// One proxy has appended one element; the client has sent anything before
		// it.
		{"10.0.0.1:1", one, []string{"https, http"}, false, "http"},
		{"10.0.0.1:1", one, []string{"http,https"}, false, "https"},
		{"10.0.0.1:1", one, []string{"http", "https"}, false, "https"},
		{"10.0.0.1:1", one, []string{"https", "http"}, false, "http"},
		{"10.0.0.1:1", one, []string{"https,, http ,"}, false, "http"},
		{"10.0.0.1:1", alien, []string{"https, http"}, false, "http"},
		// Of two elements the one counts whose proxy the client has connected to.
		{"10.0.0.1:1", two, []string{"https, http"}, false, "https"},
		{"10.0.0.1:1", two, []string{"http, https"}, false, "http"},
		{"10.0.0.1:1", two, []string{"http, https, http"}, false, "https"},
		{"10.0.0.1:1", two, []string{"https"}, false, "https"},
		// An element that is no scheme is ignored.
		{"10.0.0.1:1", one, []string{"ftp"}, false, "http"},
		{"10.0.0.1:1", one, []string{"ftp"}, true, "https"},
		{"10.0.0.1:1", one, []string{""}, false, "http"},
		{"10.0.0.1:1", one, []string{"https://"}, false, "http"},
		{"10.0.0.1:1", one, nil, false, "http"},
		{"10.0.0.1:1", one, nil, true, "https"},
		// No other client is trusted.
		{"203.0.113.9:1", one, []string{"https"}, false, "http"},
		{"203.0.113.9:1", "10.0.0.1", []string{"https"}, false, "http"},
		{"203.0.113.9:1", one, []string{"http"}, true, "https"},
		{"[2001:db8::1]:1", two, []string{"https"}, false, "http"},
		{"@", one, []string{"https"}, false, "http"},
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.RemoteAddr = c.peer
		if c.addresses != "" {
			req.Header.Set("X-Forwarded-For", c.addresses)
		}
		req.Header["X-Forwarded-Proto"] = c.schemes
		if c.tls {
			req.TLS = &tls.ConnectionState{}
		}
		if got := s.schemeOf(req); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestSameOrListed(t *testing.T) {
	t.Parallel()
	s := behindProxies()
	origins, err := auth.NewOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s.config.Credentials.Origins = origins
	for _, c := range []struct {
		host, proto string
		origins     []string
		want        bool
	}{
		{"sluice.example", "", nil, true},
		{"sluice.example", "", []string{"https://app.example.com"}, true},
		{"sluice.example", "", []string{"http://sluice.example"}, true},
		{"sluice.example:80", "", []string{"http://sluice.example"}, true},
		{"SLUICE.example", "", []string{"http://sluice.example"}, true},
		{"sluice.example:8080", "", []string{"http://sluice.example:8080"}, true},
		{"[2001:db8::1]:8080", "", []string{"http://[2001:db8::1]:8080"}, true},
		{"sluice.example", "HTTPS", []string{"https://sluice.example"}, true},
		{"sluice.example:443", "https", []string{"https://sluice.example"}, true},
		{"sluice.example", "wss", []string{"https://sluice.example"}, true},
		{"sluice.example", "https", []string{"http://sluice.example"}, false},
		{"sluice.example", "", []string{"https://sluice.example"}, false},
		{"sluice.example", "", []string{"http://sluice.example:8080"}, false},
		{"sluice.example:443", "", []string{"http://sluice.example"}, false},
		{"sluice.example", "", []string{"null"}, false},
		{"null", "", []string{"null"}, false},
		{"sluice.example", "", []string{"http://sluice.example.evil.example"}, false},
		{"sluice.example", "", []string{"http://sluice.example/"}, false},
		{"sluice.example", "", []string{"http://SLUICE.example"}, false},
		{"sluice.example", "", []string{"http://sluice.example", "http://sluice.example"}, false},
		{"sluice.example", "", []string{"https://app.example.com", "https://evil.example"}, false},
		{"a/b", "", []string{"http://a/b"}, false},
		{"a@b", "", []string{"http://a@b"}, false},
		{"*", "", []string{"http://*"}, false},
		{"", "", []string{"http://"}, false},
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.RemoteAddr, req.Host = "10.0.0.1:1", c.host
		req.Header["Origin"] = c.origins
		if c.proto != "" {
			req.Header.Set("X-Forwarded-Proto", c.proto)
		}
		if got := s.sameOrListed(req); got != c.want {
			t.Errorf("%+v: got %t", c, got)
		}
	}
}

// TestTrustedProxiesInIPv6: a network of IPv4 addresses that is written as IPv6 is
// the same network.
func TestTrustedProxiesInIPv6(t *testing.T) {
	t.Parallel()
	s := &Server{config: Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("::ffff:10.0.0.0/104"), netip.MustParsePrefix("2001:db8::/32"),
	}}}
	for address, want := range map[string]bool{
		"10.1.2.3": true, "11.1.2.3": false, "2001:db8::1": true, "2001:db9::1": false,
	} {
		if got := s.trusts(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is trusted: %v, want %v", address, got, want)
		}
	}
}

// TestWhyAPageMayNotConnect: a page of the server's own host, seen through a proxy that
// ends TLS, is not told to be listed as an origin. The client never learns an address,
// and the log does where it helps.
func TestWhyAPageMayNotConnect(t *testing.T) {
	t.Parallel()
	s := behindProxies()
	for name, c := range map[string]struct {
		peer    string
		headers []string // name, value
		origins []string
		message string // a part of it, empty for none
		logged  string
	}{
		"listed proxy":               {"10.0.0.1:1", []string{"X-Forwarded-Proto", "https"}, []string{"https://sluice.example"}, "", ""},
		"proxy that is not listed":   {"192.0.2.7:1", []string{"X-Forwarded-Proto", "https"}, []string{"https://sluice.example"}, "add the proxy that ends TLS to trusted_proxies", "192.0.2.7"},
		"it says only for whom":      {"[2001:db8::7]:1", []string{"X-Forwarded-For", "203.0.113.9"}, []string{"https://sluice.example"}, "to trusted_proxies", "2001:db8::7"},
		"it writes Forwarded":        {"192.0.2.7:1", []string{"Forwarded", "proto=https"}, []string{"https://sluice.example"}, "to trusted_proxies", "192.0.2.7"},
		"listed, says nothing":       {"10.0.0.1:1", nil, []string{"https://sluice.example"}, "has to send X-Forwarded-Proto: https", "10.0.0.1"},
		"listed, says http":          {"10.0.0.1:1", []string{"X-Forwarded-Proto", "http"}, []string{"https://sluice.example"}, "has to send X-Forwarded-Proto: https", "10.0.0.1"},
		"no sign of a proxy":         {"192.0.2.7:1", nil, []string{"https://sluice.example"}, "a proxy that ends TLS belongs in trusted_proxies", ""},
		"another host":               {"192.0.2.7:1", []string{"X-Forwarded-Proto", "https"}, []string{"https://app.example"}, "add the origin to origins", "https://app.example"},
		"another port":               {"192.0.2.7:1", []string{"X-Forwarded-Proto", "https"}, []string{"https://sluice.example:8443"}, "add the origin to origins", "https://sluice.example:8443"},
		"a host that ends like this": {"192.0.2.7:1", []string{"X-Forwarded-Proto", "https"}, []string{"https://evil-sluice.example"}, "add the origin to origins", "https://evil-sluice.example"},
		"a page without TLS":         {"10.0.0.1:1", []string{"X-Forwarded-Proto", "https"}, []string{"http://sluice.example"}, "add the origin to origins", "http://sluice.example"},
		"two origins":                {"192.0.2.7:1", []string{"X-Forwarded-Proto", "https"}, []string{"https://sluice.example", "https://sluice.example"}, "more than one Origin", "https://sluice.example"},
		"no origin":                  {"192.0.2.7:1", nil, []string{"null"}, "Origin: null, which cannot be listed", "null"},
		"no page":                    {"192.0.2.7:1", []string{"X-Forwarded-Proto", "https"}, nil, "", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/v1/ws", nil)
		r.RemoteAddr, r.Host = c.peer, "sluice.example"
		r.Header["Origin"] = c.origins
		if len(c.headers) > 0 {
			r.Header.Set(c.headers[0], c.headers[1])
		}
		fault := s.originFault(r)
		if fault == nil || c.message == "" {
			if fault != nil || c.message != "" {
				t.Errorf("%s: got %v, want %q", name, fault, c.message)
			}
			continue
		}
		cause := ""
		if fault.Cause != nil {
			cause = fault.Cause.Error()
		}
		if !strings.Contains(fault.Message, c.message) || (c.logged == "") != (cause == "") || !strings.Contains(cause, c.logged) {
			t.Errorf("%s: got %v, logged with %q", name, fault, cause)
		}
		if peer, _, _ := net.SplitHostPort(c.peer); strings.Contains(fault.Message, peer) || len(fault.Message) > wire.MaxCloseReason {
			t.Errorf("%s: %q names an address, or does not fit into a close frame", name, fault.Message)
		}
	}
}
