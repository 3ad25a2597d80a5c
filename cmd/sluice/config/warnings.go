package config

import (
	"net"
	"net/netip"
	"strings"
)

// Warnings returns warnings about settings that are allowed but rarely intended.
func (c *Config) Warnings() []string {
	var list []string
	if c.TLS == nil && !onLoopback(c.Listen) && len(c.TrustedProxies) == 0 {
		list = append(list, "listen is reachable from outside without tls and without trusted_proxies: tokens and data travel in the clear")
	}
	if !onLoopback(c.Admin.Listen) {
		list = append(list, "admin/listen is reachable from outside and asks for no credentials")
	}
	if !c.Redis.Configured() {
		list = append(list, "there is no redis: cursors cannot be named")
	}
	if c.Auth.AccessTokenInQuery {
		list = append(list, "auth/access_token_in_query is on: proxies and browsers write tokens in URLs down")
	}
	for i := range c.Auth.Issuers {
		if strings.HasPrefix(c.Auth.Issuers[i].JWKSURL, "http://") {
			list = append(list, "the keys of issuer "+c.Auth.Issuers[i].Issuer+" come over http")
		}
	}
	return list
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
