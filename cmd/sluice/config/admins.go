package config

import (
	"fmt"
	"net"
	"net/netip"
)

// checkAdmins refuses operators without a credential, unless only this machine can
// connect: neither others, nor a proxy for them.
func checkAdmins(c *Config, f *faults) {
	for i, g := range c.Grants {
		if !g.Admin || !g.Anonymous {
			continue
		}
		path := fmt.Sprintf("grants/%d/admin", i)
		switch {
		case !OnLoopback(c.Listen):
			f.addOnce(path, "cannot be combined with anonymous: %s is not on loopback, and everybody who can connect to it could operate the server. Set claims in when instead", show(c.Listen))
		case len(c.TrustedProxies) > 0:
			f.addOnce(path, "cannot be combined with anonymous: everybody who can connect to trusted_proxies could operate the server. Set claims in when instead")
		}
	}
}

// OnLoopback reports whether only this machine can connect to an address, host:port.
func OnLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
