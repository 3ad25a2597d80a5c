package config

import (
	"time"

	"sluice/auth"
)

// Auth configures which credentials are accepted.
type Auth struct {
	Issuers            []Issuer      `koanf:"issuers" validate:"unique=Issuer,dive" doc:"who may issue tokens (JWT, RFC 7519)"`
	AccessTokenInQuery bool          `koanf:"access_token_in_query" default:"false" doc:"take tokens from ?access_token=, which proxies and browsers write down"`
	ClockSkew          time.Duration `koanf:"clock_skew" default:"3s" validate:"between=0s..1m" doc:"by how much an issuer's clock may differ; tokens end so much later"`
}

// Issuer is an issuer of tokens.
type Issuer struct {
	Issuer     string   `koanf:"issuer" validate:"required" doc:"the token's iss must equal this"`
	Audience   string   `koanf:"audience" validate:"required" doc:"the token's aud must hold this"`
	Algorithms []string `koanf:"algorithms" validate:"required,min=1,unique,dive,oneof=HS256 RS256 ES256 EdDSA" doc:"signatures that are taken; HS256 goes with secret_file, the others with jwks_file or jwks_url"`
	SecretFile Path     `koanf:"secret_file" validate:"omitempty,readable_file" doc:"file that holds the HS256 secret, at least 32 bytes; one line end after it is ignored"`
	JWKSFile   Path     `koanf:"jwks_file" validate:"omitempty,readable_file" doc:"public keys (JWK Set, RFC 7517); read again when it changes"`
	JWKSURL    string   `koanf:"jwks_url" validate:"omitempty,jwks_url" doc:"address of the public keys, https, or http on loopback"`

	// Secret is the content of SecretFile.
	Secret auth.Secret `koanf:"-" validate:"-"`
}

// Grant configures the rights of some principals.
type Grant struct {
	When      map[string]string `koanf:"when" doc:"claims that the token must have: equal to the value, or a list that holds it; scope also as words. A name such as /realm_access/roles is a JSON Pointer. All must match; {} is everybody with a token"`
	Anonymous bool              `koanf:"anonymous" default:"false" doc:"grant it to everybody, with a token or without, instead of when"`
	Subscribe []string          `koanf:"subscribe" validate:"unique,dive,stream_pattern" doc:"streams to read, by name or pattern: * is any run of characters"`
	Publish   []string          `koanf:"publish" validate:"unique,dive,stream_pattern" doc:"streams to write to, by name or pattern"`
	Replay    Replay            `koanf:"replay" default:"0s" validate:"omitempty,between=1s..36500d" doc:"how far back what may be subscribed to may be replayed: a span, or unlimited. 0 is limits/resume_window only"`
}
