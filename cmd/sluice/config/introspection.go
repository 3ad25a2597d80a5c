package config

import (
	"time"

	"sluice/auth"
)

// Introspection configures the server that knows whether opaque tokens are valid.
type Introspection struct {
	URL              string        `koanf:"url" validate:"required,jwks_url" doc:"introspection endpoint (RFC 7662), https, or http on loopback"`
	ClientID         string        `koanf:"client_id" validate:"required" doc:"user name for the endpoint (RFC 6749, section 2.3.1)"`
	ClientSecretFile Path          `koanf:"client_secret_file" validate:"required,readable_file" doc:"file that contains the password for the endpoint; one trailing line break is ignored"`
	Issuer           string        `koanf:"issuer" validate:"required" doc:"issuer of the principals, which becomes their iss claim; an answer with another iss is refused. Can be one of auth/issuers if both are the same server"`
	Audience         string        `koanf:"audience" doc:"audience that the aud of an answer must contain; if left out, not checked"`
	UnknownIssuers   bool          `koanf:"unknown_issuers" default:"false" doc:"also introspect JWTs whose iss is not one of auth/issuers; otherwise only tokens that are not JWTs"`
	Cache            time.Duration `koanf:"cache" default:"30s" validate:"between=0s..10m" doc:"how long a positive answer is used, but not beyond its exp; a token that was withdrawn is valid for this much longer"`
	CacheRefused     time.Duration `koanf:"cache_refused" default:"5s" validate:"between=0s..1m" doc:"how long a negative answer is used"`
	// AuthorizationDetails are patterns of streams.
	AuthorizationDetails []string      `koanf:"authorization_details" validate:"unique,dive,stream_pattern" doc:"streams, by name or pattern, on which answers may grant rights, in authorization_details, as in auth/issuers. Without patterns, the member is ignored"`
	Lifetime             time.Duration `koanf:"lifetime" default:"1h" validate:"between=1m..24h" doc:"how long the session of a token lasts whose answer has no exp, unless the session is renewed"`
	Timeout              time.Duration `koanf:"timeout" default:"2s" validate:"between=100ms..30s" doc:"timeout of a request; requests are not retried"`

	// ClientSecret is the content of ClientSecretFile.
	ClientSecret auth.Secret `koanf:"-" validate:"-"`
}
