package auth

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// RegisteredClaims are the claims that every kind of token uses alike (RFC 7519
// section 4.1, RFC 7662 section 2.2). A claim that is missing is zero.
type RegisteredClaims struct {
	Issuer, Subject                string
	Audience                       []string
	ExpiresAt, NotBefore, IssuedAt time.Time
	TokenID, SessionID             string
	Bound                          Binding
}

// ParseClaims reads the registered claims of a JSON object that a Verifier has received
// from a server that it trusts, and checks their types. It does not compare them with
// anything. The error wraps ErrUnauthenticated.
func ParseClaims(text []byte) (RegisteredClaims, error) {
	if !utf8.Valid(text) || hasLoneSurrogate(text) {
		return RegisteredClaims{}, errNotUTF8
	}
	c := claims{}
	if err := c.UnmarshalJSON(text); err != nil {
		return RegisteredClaims{}, unauthenticated("the claims are not a JSON object")
	}
	var made RegisteredClaims
	for _, text := range []struct {
		name string
		to   *string
	}{{"iss", &made.Issuer}, {"sub", &made.Subject}, {"jti", &made.TokenID}, {"sid", &made.SessionID}} {
		var err error
		if *text.to, err = c.text(text.name); err != nil {
			return RegisteredClaims{}, unauthenticated(fmt.Sprintf("the claim %s is not a string", text.name))
		}
	}
	for _, date := range []struct {
		name string
		to   *time.Time
	}{{"exp", &made.ExpiresAt}, {"nbf", &made.NotBefore}, {"iat", &made.IssuedAt}} {
		at, err := c.date(date.name)
		if err != nil {
			return RegisteredClaims{}, unauthenticated(fmt.Sprintf("the claim %s is not a time", date.name))
		}
		if at != nil {
			*date.to = at.Time
		}
	}
	audience, err := c.GetAudience()
	if err != nil {
		return RegisteredClaims{}, unauthenticated("the audience is not a string or a list of strings")
	}
	made.Audience = audience
	if made.Bound, err = bindingOf(c); err != nil {
		return RegisteredClaims{}, err
	}
	return made, nil
}
