package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Origins is a list of web origins (RFC 6454): scheme, host and port. It is
// immutable. A nil list is empty.
type Origins struct {
	listed   []string
	loopback bool
}

// WithLoopback returns the list with all origins on loopback, whatever their port and
// scheme, for a server that is for development on one machine.
func (o *Origins) WithLoopback() *Origins { return &Origins{listed: o.List(), loopback: true} }

// Empty reports whether no origin is in the list.
func (o *Origins) Empty() bool { return o == nil || len(o.listed) == 0 && !o.loopback }

// NewOrigins validates a list of origins, each `scheme://host` or
// `scheme://host:port`, and converts them to the form that browsers send: lower
// case, without the scheme's default port. Wildcards, `null`, `file:` and anything
// after the port are refused.
func NewOrigins(origins []string) (*Origins, error) {
	list := &Origins{}
	for _, text := range origins {
		origin, err := normalOrigin(text)
		if err != nil {
			return nil, fmt.Errorf("check origin %q: %w", text, err)
		}
		if !slices.Contains(list.listed, origin) {
			list.listed = append(list.listed, origin)
		}
	}
	return list, nil
}

// Allowed reports whether an Origin header, as sent by a browser, is in the list.
// The comparison is byte for byte.
func (o *Origins) Allowed(origin string) bool {
	return o != nil && origin != "" && (slices.Contains(o.listed, origin) || o.loopback && isLocal(origin))
}

// isLocal reports whether an origin, in the form that browsers send, is on loopback.
func isLocal(origin string) bool {
	if normal, err := normalOrigin(origin); err != nil || normal != origin {
		return false
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && onLoopback(u)
}

// List returns the origins in the form that browsers send.
func (o *Origins) List() []string {
	if o == nil {
		return nil
	}
	return slices.Clone(o.listed)
}

func normalOrigin(text string) (string, error) {
	text = strings.ToLower(text)
	u, err := url.Parse(text)
	switch {
	case text == "null":
		return "", errors.New("null is not allowed: every sandboxed page has this origin")
	case strings.Contains(text, "*"):
		return "", errors.New("wildcards are not supported: list each origin")
	case err != nil || u.Scheme == "" || u.Hostname() == "":
		return "", errors.New("an origin is scheme://host or scheme://host:port")
	case u.Scheme == "file":
		return "", errors.New("file origins are not supported: browsers send null for them")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("non-ASCII characters are not supported: write the host in Punycode")
	case text != u.Scheme+"://"+u.Host:
		return "", errors.New("an origin has no user, path, query or fragment")
	case strings.HasSuffix(u.Host, ":"):
		return "", errors.New("the port after the colon is missing")
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return "", errors.New("the host is not an IPv6 address")
		}
		host = "[" + ip.String() + "]"
	}
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Scheme + "://" + host, nil
	}
	return u.Scheme + "://" + host + ":" + port, nil
}
