package certificates

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"sluice/auth"
)

// Config configures whose a certificate is.
type Config struct {
	// Issuer is the issuer of the principals.
	Issuer string
	// Subject names the field that is the subject.
	Subject Subject
}

// Verifier is an auth.Verifier of the certificates of connections. It is safe for
// concurrent use.
type Verifier struct{ config Config }

var _ auth.Verifier = (*Verifier)(nil)

var (
	errNone      = fmt.Errorf("%w: the connection has no client certificate", auth.ErrUnauthenticated)
	errField     = fmt.Errorf("%w: the client certificate does not have exactly one value in the field that identifies its holder", auth.ErrUnauthenticated)
	errSubject   = fmt.Errorf("%w: the subject of the client certificate is empty, too long or has control characters", auth.ErrUnauthenticated)
	errTooLarge  = fmt.Errorf("%w: the client certificate has too many or too long names", auth.ErrUnauthenticated)
	errNotInJSON = fmt.Errorf("%w: the client certificate has names that cannot be read", auth.ErrUnauthenticated)
)

// New returns the verifier.
func New(config Config) (*Verifier, error) {
	switch {
	case config.Issuer == "":
		return nil, errors.New("new client certificates: no issuer")
	case !slices.Contains([]Subject{CommonName, DNSName, URI, Email}, config.Subject):
		return nil, fmt.Errorf("new client certificates: the subject is not one of %s, %s, %s and %s", CommonName, DNSName, URI, Email)
	}
	return &Verifier{config: config}, nil
}

// Verify implements auth.Verifier.
func (v *Verifier) Verify(_ context.Context, c auth.Credential) (*auth.Identity, error) {
	if c.Scheme != auth.SchemeCertificate {
		return nil, auth.ErrOtherCredential
	}
	certificate := c.Proof.Certificate
	if certificate == nil {
		return nil, errNone
	}
	values := v.config.Subject.values(certificate)
	switch {
	case len(values) != 1:
		return nil, errField
	case !auth.ValidSubject(values[0]):
		return nil, errSubject
	}
	claims, err := claimsOf(certificate, v.config.Issuer, values[0])
	switch {
	case err != nil:
		return nil, errNotInJSON
	case len(claims) > maxClaims:
		return nil, errTooLarge
	}
	sum := sha256.Sum256(certificate.Raw)
	return &auth.Identity{
		Issuer: v.config.Issuer, Subject: values[0], Claims: claims,
		ExpiresAt: certificate.NotAfter, IssuedAt: certificate.NotBefore,
		TokenID: base64.RawURLEncoding.EncodeToString(sum[:]),
	}, nil
}
