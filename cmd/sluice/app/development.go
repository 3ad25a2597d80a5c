package app

import (
	"crypto/rand"
	"os"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/transport"
)

// Development is what a server for development has beside its configuration. The methods of
// a nil Development add nothing.
type Development struct {
	// Issuer is trusted in addition to those of the configuration, and Grants are in force
	// beside its grants.
	Issuer auth.Issuer
	Grants []auth.Grant
	// Minter makes the tokens of the issuer, for everybody who asks.
	Minter transport.Minter
}

func (d *Development) issuers(c *config.Config) []auth.Issuer {
	if d == nil {
		return issuers(c)
	}
	return append(issuers(c), d.Issuer)
}

func (d *Development) grants(c *config.Config) []auth.Grant {
	if d == nil {
		return grants(c)
	}
	return append(grants(c), d.Grants...)
}

func (d *Development) minter() transport.Minter {
	if d == nil {
		return nil
	}
	return d.Minter
}

// instance returns what operators tell the instances of a host apart by: the host, and
// something that is another one at each start.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + rand.Text()[:6]
}
