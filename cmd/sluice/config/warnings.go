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
		list = append(list, "listen accepts connections from other machines without tls or trusted_proxies: tokens and data are sent unencrypted")
	}
	if !onLoopback(c.Admin.Listen) {
		list = append(list, "admin/listen accepts connections from other machines and requires no credentials")
	}
	if !c.Redis.Configured() {
		list = append(list, "redis is not configured: named cursors and message ids are unavailable, and a revocation is in force on one instance only, until that is restarted")
	}
	if c.Auth.AccessTokenInQuery {
		list = append(list, "auth/access_token_in_query is enabled: proxies and browsers record tokens in URLs")
	}
	for i := range c.Auth.Issuers {
		issuer := &c.Auth.Issuers[i]
		if strings.HasPrefix(issuer.JWKSURL, "http://") || issuer.Discovery && strings.HasPrefix(issuer.Issuer, "http://") {
			list = append(list, "the keys of issuer "+issuer.Issuer+" are fetched over http, without TLS")
		}
	}
	list = append(list, c.saslWarnings()...)
	list = append(list, c.schemaWarnings()...)
	list = append(list, c.registryWarnings()...)
	return append(list, c.auditWarnings()...)
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
