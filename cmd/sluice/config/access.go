package config

import (
	"time"

	"sluice/auth"
)

// Auth configures which credentials are accepted.
type Auth struct {
	Issuers            []Issuer `koanf:"issuers" validate:"unique=Issuer,dive" doc:"issuers of accepted tokens (JWT, RFC 7519)"`
	AccessTokenInQuery bool     `koanf:"access_token_in_query" default:"false" doc:"accept tokens in ?access_token=, which proxies and browsers record"`
	APIKeys            `koanf:",squash"`
	Introspection      *Introspection      `koanf:"introspection" doc:"ask a server about tokens that are not JWTs (RFC 7662)"`
	ClientCertificates *ClientCertificates `koanf:"client_certificates" doc:"identify clients without another credential by the verified certificate of their TLS connection"`
	DPoP               *DPoP               `koanf:"dpop" doc:"accept tokens that are bound to a key of the client, with proofs of possession (RFC 9449); {} uses the defaults"`
	ClockSkew          time.Duration       `koanf:"clock_skew" default:"3s" validate:"between=0s..1m" doc:"how much an issuer's clock may differ; tokens expire this much later"`
	KafkaACLs          *KafkaACLs          `koanf:"kafka_acls" doc:"rights from the ACLs of the Kafka clusters, in addition to grants; what an ACL denies, no grant allows"`
	Tickets            *Tickets            `koanf:"tickets" switch:"true" doc:"true, or a section: clients can exchange a credential for a single-use ticket (POST /v1/tickets); requires redis"`
	Cookie             *Cookie             `koanf:"cookie" switch:"true" doc:"true, or a section: pages of origins can exchange a bearer token for the cookie (POST /v1/cookie)"`
	Revocations        Revocations         `koanf:"revocations" doc:"revoking credentials before they expire; shared by all instances with redis, and without it in force on one instance only"`
	Webhook            *Webhook            `koanf:"webhook" doc:"an HTTP service that identifies clients or decides what they may do"`
	Forwarded          *Forwarded          `koanf:"forwarded" doc:"identity from trusted_proxies that have authenticated the client; they must replace or remove these headers in every request"`
}

// Issuer is an issuer of tokens.
type Issuer struct {
	Issuer               string   `koanf:"issuer" validate:"required" doc:"required iss claim of a token"`
	Audience             string   `koanf:"audience" validate:"required" doc:"audience that the aud claim of a token must contain"`
	Algorithms           []string `koanf:"algorithms" validate:"required,min=1,unique,dive,oneof=HS256 RS256 ES256 EdDSA" doc:"accepted signature algorithms; HS256 requires secret_file, the others require jwks_file, jwks_url or discovery"`
	AuthorizationDetails []string `koanf:"authorization_details" validate:"unique,dive,stream_pattern" doc:"streams, by name or pattern, on which tokens of this issuer may grant rights themselves, in the claim authorization_details (RFC 9396): {type: sluice, actions: [subscribe, publish], streams: [NAME], filter: TEXT, replay: 24h}. Without patterns, the claim is ignored"`
	SecretFile           Path     `koanf:"secret_file" validate:"omitempty,readable_file" doc:"file that contains the HS256 secret, at least 32 bytes; one trailing line break is ignored"`
	JWKSFile             Path     `koanf:"jwks_file" validate:"omitempty,readable_file" doc:"file that contains the public keys (JWK Set, RFC 7517); read again when the file changes"`
	JWKSURL              string   `koanf:"jwks_url" validate:"omitempty,jwks_url" doc:"URL of the public keys (JWK Set), https, or http on loopback"`
	Discovery            bool     `koanf:"discovery" default:"false" doc:"find the public keys by OpenID Connect Discovery or RFC 8414: issuer must be an https URL, or http on loopback. The keys can be on another host"`

	BackchannelLogout bool   `koanf:"backchannel_logout" default:"false" doc:"accept the issuer's logout tokens at /v1/backchannel-logout (OpenID Connect Back-Channel Logout)"`
	LogoutAudience    string `koanf:"logout_audience" doc:"audience of the logout tokens, which is the client id at the issuer; if left out, audience"`

	// Secret is the content of SecretFile.
	Secret auth.Secret `koanf:"-" validate:"-"`
}

// Grant configures the rights of some principals.
type Grant struct {
	When          map[string]string `koanf:"when" doc:"claims that the token must have: a claim equals the value, or is a list that contains the value; scope also matches by one of its words. A name such as /realm_access/roles is a JSON Pointer. All claims must match; {} matches every token"`
	Anonymous     bool              `koanf:"anonymous" default:"false" doc:"grant the rights to all clients, with or without a token, instead of when"`
	Subscribe     []string          `koanf:"subscribe" validate:"unique,dive,stream_pattern" doc:"streams to read, by name or pattern; * matches any number of characters"`
	Publish       []string          `koanf:"publish" validate:"unique,dive,stream_pattern" doc:"streams to write to, by name or pattern"`
	Filter        string            `koanf:"filter" doc:"condition on the records of the streams in subscribe, in CEL over key, headers, data, ts, partition, offset and claims, such as key == claims.sub; only records that meet it can be read, and neither gaps nor cursors show others. Empty means all records"`
	Redact        []string          `koanf:"redact" validate:"unique" doc:"paths of what is removed from the records of the streams in subscribe: JSON Pointers into the value, such as /card/number, in which * stands for every member or element (/items/*/price), and headers.NAME; headers.* are all; data is the whole value. A value that is not JSON is withheld as a whole. At most 64 paths in redact and mask together, of at most 32 names"`
	Mask          []string          `koanf:"mask" validate:"unique" doc:"paths like redact, of values that are replaced by \"***\""`
	Decrypt       []string          `koanf:"decrypt" validate:"unique" doc:"what is shown of the encrypted in the streams in subscribe: paths, as they are in decrypt/paths of these streams. Without them, nothing of it is shown"`
	PublishFilter string            `koanf:"publish_filter" doc:"condition on records that are published to the streams in publish, like filter, without ts, partition and offset; other records are refused with forbidden"`
	Quota         *Quota            `koanf:"quota" doc:"what a principal may publish to the streams in publish, instead of quotas/principal; of several grants with a quota the first one counts"`
	Admin         bool              `koanf:"admin" default:"false" doc:"the right to operate this server over /v1/admin: to see and end sessions, and to see, move and remove named cursors, of the principal's tenant if it has one. It requires claims in when; with anonymous, a listen address on loopback, and no trusted_proxies"`
	Replay        Replay            `koanf:"replay" default:"0s" validate:"omitempty,between=1s..36500d" doc:"how far back the streams in subscribe can be replayed: a duration, or unlimited. 0 allows only limits/resume_window"`
}
