package config

import (
	"maps"
	"slices"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth/forwarded"
)

// Forwarded configures the headers in which proxies say who their clients are.
type Forwarded struct {
	SubjectHeader           string            `koanf:"subject_header" validate:"omitempty,header_name" doc:"header with the subject, such as X-Forwarded-User"`
	ClaimsHeaders           map[string]string `koanf:"claims_headers" validate:"dive,header_name" doc:"headers with further claims, by the name of the claim, such as {email: X-Forwarded-Email}"`
	ListClaims              []string          `koanf:"list_claims" validate:"unique" doc:"names in claims_headers whose header is a list, separated by commas"`
	ClientCertificateHeader string            `koanf:"client_certificate_header" validate:"omitempty,header_name" doc:"header with the certificate of the client, whose chain the proxy has verified: Client-Cert (RFC 9440), X-Forwarded-Client-Cert (Envoy), or one with URL-escaped PEM (nginx)"`
	Lifetime                time.Duration     `koanf:"lifetime" default:"1h" validate:"between=10s..30d" doc:"how long a session lasts at most before the client must connect through the proxy again"`
}

// New makes the reader of the headers.
func (f *Forwarded) New() (*forwarded.Headers, error) {
	return forwarded.New(forwarded.Config{
		SubjectHeader:     f.SubjectHeader,
		ClaimsHeaders:     f.ClaimsHeaders,
		ListClaims:        f.ListClaims,
		CertificateHeader: f.ClientCertificateHeader,
		Lifetime:          f.Lifetime,
	})
}

func checkForwarded(level validator.StructLevel) {
	f := level.Current().Interface().(Forwarded)
	claims := slices.Sorted(maps.Keys(f.ClaimsHeaders))
	for _, claim := range f.ListClaims {
		if f.ClaimsHeaders[claim] == "" {
			conflict(level, "list_claims", "%q is not in claims_headers%s", claim, suggest(claim, claims))
			return
		}
	}
	switch _, err := f.New(); {
	case f.SubjectHeader == "" && f.ClientCertificateHeader == "":
		conflict(level, "subject_header", "is missing: set subject_header or client_certificate_header")
	case f.SubjectHeader == "" && len(claims) > 0:
		conflict(level, "subject_header", "is missing: claims_headers require a subject")
	case err != nil:
		conflict(level, "subject_header", "the headers cannot be used: %s", err)
	}
}

// checkTrusted refuses headers that nobody is trusted to send.
func checkTrusted(c *Config, f *faults) {
	if c.Auth.Forwarded != nil && len(c.TrustedProxies) == 0 && !f.below("trusted_proxies") {
		f.addOnce("trusted_proxies", "is missing: auth/forwarded requires the networks of the proxies that set the headers")
	}
}
