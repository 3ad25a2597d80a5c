package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms that issuers may sign tokens with (RFC 7518, RFC 8037). The list is
// fixed and does not include `none`.
const (
	HS256 = "HS256"
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// maxNameBytes bounds a subject and a key id.
const maxNameBytes = 256

var (
	errUnknownKey   = unauthenticated("the issuer has no key with the token's key ID and algorithm")
	errTokenTooLong = unauthenticated("the token is too long")
	errNotJWT       = unauthenticated("the token is not a JWT")
	errBinding      = unauthenticated("the token is bound to a key in a way that is not supported")
	// errUnknownIssuer: nothing but the issuer's name is known of the token.
	errUnknownIssuer = unauthenticated("the token's issuer is not configured")
	errNotUTF8       = unauthenticated("the token's header or claims are not UTF-8")
)

// parser parses tokens and checks signatures. Which of the algorithms an issuer may
// use and which claims its tokens need is checked per issuer.
var parser = jwt.NewParser(
	jwt.WithValidMethods([]string{HS256, RS256, ES256, EdDSA}),
	jwt.WithStrictDecoding(),
	jwt.WithoutClaimsValidation(),
)

// Verify implements Verifier for a JWT (RFC 7519) of one of the issuers.
func (a *tokens) Verify(ctx context.Context, c Credential) (*Identity, error) {
	if c.Scheme != SchemeBearer && c.Scheme != SchemeDPoP {
		return nil, ErrOtherCredential
	}
	return a.verify(ctx, c.Token.Reveal())
}

func (a *tokens) verify(ctx context.Context, token string) (*Identity, error) {
	sums, ok := sumsOf(token)
	if !ok {
		return nil, errNotJWT
	}
	now := time.Now()
	if id := a.verified.find(sums, now); id != nil {
		return id, nil
	}
	signed, err := a.signed(ctx, token)
	if err != nil {
		return nil, err
	}
	if isLogout(signed.header, signed.claims) {
		return nil, errIsLogout
	}
	by := signed.by
	id, err := a.identityOf(by, signed.claims, token)
	if err != nil {
		return nil, err
	}
	if len(id.Claims) <= maxCachedClaims {
		a.verified.add(sums, verified{identity: id, keys: by.keys, version: signed.version}, now)
	}
	return id, nil
}

// signed is a token whose signature is valid. Its claims are not checked.
type signed struct {
	header map[string]any
	claims claims
	by     *issuer
	// version is that of the keys before the signature was verified.
	version uint64
}

// signed verifies the signature of a token.
func (a *tokens) signed(ctx context.Context, token string) (*signed, error) {
	if !textsAreUTF8(token) {
		return nil, errNotUTF8
	}
	made := &signed{claims: claims{}}
	var keyErr error
	parsed, err := parser.ParseWithClaims(token, &made.claims, func(t *jwt.Token) (any, error) {
		var keys jwt.VerificationKeySet
		if made.by, keyErr = a.issuerOf(t, made.claims); keyErr == nil {
			// Read before the keys, so that a change in between is noticed.
			made.version = made.by.keys.version()
			keys, keyErr = made.by.find(ctx, t)
		}
		return keys, keyErr
	})
	switch {
	case keyErr != nil:
		return nil, keyErr
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, errNotJWT
	case err != nil && !a.names(made.claims):
		return nil, errUnknownIssuer
	case err != nil || !parsed.Valid:
		return nil, unauthenticated("the token's algorithm or signature is not valid")
	}
	made.header = parsed.Header
	return made, nil
}

// issuerOf finds the issuer that an unverified token names.
func (a *tokens) issuerOf(t *jwt.Token, c claims) (*issuer, error) {
	// None of the extensions that a token can mark as critical (RFC 7515 section
	// 4.1.11) is supported. Headers that contain a key or its location (jwk, jku,
	// x5c, x5u) are ignored.
	if _, ok := t.Header["crit"]; ok {
		return nil, unauthenticated("the token has critical header parameters")
	}
	name, err := c.GetIssuer()
	if err != nil {
		return nil, unauthenticated("the token's issuer is not a string")
	}
	by, ok := a.issuers[name]
	if !ok {
		return nil, errUnknownIssuer
	}
	return by, nil
}

// names reports whether the issuer that a token names is configured.
func (a *tokens) names(c claims) bool {
	name, err := c.GetIssuer()
	return err == nil && a.issuers[name] != nil
}

// find returns the keys that may have signed the token.
func (by *issuer) find(ctx context.Context, t *jwt.Token) (jwt.VerificationKeySet, error) {
	algorithm := t.Method.Alg()
	if !by.algorithms[algorithm] {
		return jwt.VerificationKeySet{}, unauthenticated("the issuer does not use the token's algorithm")
	}
	var id string
	if named, ok := t.Header["kid"]; ok {
		if id, ok = named.(string); !ok || id == "" || len(id) > maxNameBytes {
			return jwt.VerificationKeySet{}, unauthenticated("the token's key ID is empty, too long or not a string")
		}
	}
	return by.keys.find(ctx, id, algorithm)
}

// check validates the claims that have times and an audience.
func (by *issuer) check(validator *jwt.Validator, c claims) error {
	err := validator.Validate(c)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return unauthenticated("the token lacks an audience or expiry")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return unauthenticated("the token is for another audience")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return unauthenticated("the token is not valid yet")
	case errors.Is(err, errClaim):
		return unauthenticated("a time or the audience in the token is malformed")
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrTokenExpired
	default:
		return unauthenticated("the token's claims are not valid")
	}
}

// identityOf checks the claims of a token whose signature is valid.
func (a *tokens) identityOf(by *issuer, c claims, token string) (*Identity, error) {
	if err := by.check(by.validator, c); err != nil {
		return nil, err
	}
	bound, err := bindingOf(c)
	if err != nil {
		return nil, err
	}
	subject, err := c.GetSubject()
	if err != nil || !ValidSubject(subject) {
		return nil, unauthenticated("the token's subject is missing, too long or has control characters")
	}
	expires, err := c.GetExpirationTime()
	if err != nil || expires == nil {
		return nil, unauthenticated("the token lacks an expiry")
	}
	id := &Identity{Issuer: by.name, Subject: subject, ExpiresAt: expires.Add(a.clockSkew), Bound: bound, IssuerToken: true, issuer: by}
	if issued, err := c.GetIssuedAt(); err == nil && issued != nil {
		id.IssuedAt = issued.Time
	}
	if id.Grants, err = by.details.grantsOf(c); err != nil {
		return nil, err
	}
	if _, rest, ok := strings.Cut(token, "."); ok {
		payload, _, _ := strings.Cut(rest, ".")
		if id.Claims, err = base64.RawURLEncoding.DecodeString(payload); err != nil {
			return nil, errNotJWT
		}
	}
	// With a wrong type they are not usable for revocation and stay empty.
	id.TokenID, _ = c.text("jti")
	id.SessionID, _ = c.text("sid")
	return id, nil
}

// bindingOf reads what a token is bound to (`cnf`, RFC 7800). A token that is bound in a
// way that is not supported is refused, because a copy of it would be accepted.
func bindingOf(c claims) (Binding, error) {
	cnf, ok := c["cnf"]
	if !ok {
		return Binding{}, nil
	}
	members, _ := cnf.(map[string]any)
	var bound Binding
	for name, value := range members {
		text, _ := value.(string)
		switch {
		case text == "":
			return Binding{}, errBinding
		case name == "x5t#S256":
			bound.CertificateSHA256 = text
		case name == "jkt":
			bound.KeyThumbprint = text
		default:
			return Binding{}, errBinding
		}
	}
	if bound == (Binding{}) {
		return Binding{}, errBinding
	}
	return bound, nil
}
