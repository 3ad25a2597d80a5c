package app

import (
	"errors"
	"log/slog"
	"net/url"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/hub/filter/expr"
)

// newAuthenticator makes the authenticator from the configured issuers, verifiers,
// grants and ACLs.
func newAuthenticator(c *config.Config, dev *Development, filters *expr.Language, v *verifiers, shared *sharedAuth, kafkaACLs *kafkaACLs, logger *slog.Logger) (*auth.Authenticator, error) {
	made := auth.Config{
		ClockSkew: c.Auth.ClockSkew, ByName: grantedByName(c), CheckFilter: filterCheck(filters), Verifiers: v.list, Fallback: v.fallback(), Prover: v.prover, Logger: logger, Issuers: dev.issuers(c), Grants: dev.grants(c),
	}
	if kafkaACLs != nil {
		made.Authority = kafkaACLs
	}
	if t := c.Tenants; t != nil {
		made.Tenancy = auth.Tenancy{Claim: t.Claim, Host: t.Host}
	}
	shared.configure(&made)
	a, err := auth.New(made)
	v.issuers.Store(a)
	return a, err
}

// newFilters makes the language of filters.
func newFilters(c *config.Config) (*expr.Language, error) {
	return expr.New(expr.Limits{
		Bytes: int(c.Limits.FilterBytes), Cost: c.Limits.FilterCost, Memory: int(c.Limits.FilterMemory),
	})
}

// filterCheck checks the filters of rights in tokens.
func filterCheck(filters *expr.Language) auth.FilterCheck {
	return func(action auth.Action, filter string) error {
		compile := filters.Rule
		if action == auth.Publish {
			compile = filters.PublishRule
		}
		_, err := compile(filter)
		if fault, ok := errors.AsType[*expr.Error](err); ok {
			return errors.New(fault.Where())
		}
		return err
	}
}

func issuers(c *config.Config) []auth.Issuer {
	made := make([]auth.Issuer, 0, len(c.Auth.Issuers))
	for _, i := range c.Auth.Issuers {
		made = append(made, auth.Issuer{
			Issuer:       i.Issuer,
			Audience:     i.Audience,
			Algorithms:   i.Algorithms,
			Secret:       i.Secret,
			JWKSFile:     string(i.JWKSFile),
			JWKSURL:      i.JWKSURL,
			Discovery:    i.Discovery,
			InsecureHTTP: isHTTP(i.JWKSURL) || i.Discovery && isHTTP(i.Issuer),

			AuthorizationDetails: i.AuthorizationDetails,
			BackchannelLogout:    i.BackchannelLogout,
			LogoutAudience:       i.LogoutAudience,
		})
	}
	return made
}

func grants(c *config.Config) []auth.Grant {
	made := make([]auth.Grant, 0, len(c.Grants))
	for i, g := range c.Grants {
		made = append(made, auth.Grant{
			When:      g.When,
			Anonymous: g.Anonymous,
			Subscribe: g.Subscribe,
			Publish:   g.Publish,
			Replay:    replay(g.Replay),

			Filter:        g.Filter,
			Redact:        g.Redact,
			Mask:          g.Mask,
			Decrypt:       g.Decrypt,
			PublishFilter: g.PublishFilter,
			Quota:         quotaName(i, g),
			Admin:         g.Admin,
		})
	}
	return made
}

// isHTTP reports whether keys are fetched without TLS, which the configuration
// allows for loopback only.
func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http"
}

func replay(r config.Replay) time.Duration {
	if r == config.Unlimited {
		return auth.ReplayUnlimited
	}
	return time.Duration(r)
}
