package config

import "time"

// Tickets configures single-use tickets.
type Tickets struct {
	TTL          time.Duration `koanf:"ttl" default:"30s" validate:"between=1s..10m" doc:"how long a ticket can be used"`
	PerPrincipal int           `koanf:"per_principal" default:"100" validate:"omitempty,between=1..100000" unit:"tickets" doc:"tickets of a principal in one ttl; above the limit the error is rate_limited. 0 means no limit"`
}

// Cookie configures the endpoint that sets the cookie.
type Cookie struct {
	SameSite string `koanf:"same_site" default:"strict" validate:"oneof=strict lax none" doc:"SameSite attribute: none is needed for pages of other sites, which some browsers then keep from sending the cookie all the same"`
}

// Revocations configures how credentials are revoked.
type Revocations struct {
	Keep        time.Duration `koanf:"keep" default:"24h" validate:"between=1m..366d" doc:"how long a revocation is kept whose end is not given; at least as long as tokens are valid, because a revoked token is accepted again afterwards"`
	Poll        time.Duration `koanf:"poll" default:"5s" validate:"between=1s..1m" doc:"interval at which Redis is asked for revocations that no message has announced"`
	Max         int           `koanf:"max" default:"100000" validate:"between=100..10000000" unit:"revocations" doc:"revocations that are kept at the same time, about 500 bytes each; further ones are refused"`
	TenantClaim string        `koanf:"tenant_claim" default:"tenant" validate:"required" doc:"claim that names the tenant of a token, for revocations of a tenant; a name such as /org/id is a JSON Pointer"`
}
