package dpop

import (
	"net/url"
	"strings"
)

// target returns a URL in a normal form (RFC 3986 sections 6.2.2 and 6.2.3), without
// query and fragment, in which `htu` and the URL of a request are compared (RFC 9449
// section 4.3). The scheme of a WebSocket is that of its handshake. It reports false for
// what is no absolute URL of HTTP.
func target(text string) (normal string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", false
	}
	standard := "443"
	switch u.Scheme {
	case "https", "wss":
		u.Scheme = "https"
	case "http", "ws":
		u.Scheme, standard = "http", "80"
	default:
		return "", false
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != standard {
		host += ":" + port
	}
	path := unescaped(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + host + path, true
}

// unescaped decodes the escapes of unreserved characters and writes the others with
// capital letters. The escapes of a parsed URL are valid.
func unescaped(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		escape := strings.ToUpper(path[i : i+3])
		i += 2
		if text, err := url.PathUnescape(escape); err == nil && unreserved(text[0]) {
			b.WriteString(text)
		} else {
			b.WriteString(escape)
		}
	}
	return b.String()
}

// unreserved characters are those of RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
