package introspection

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/auth"
)

var (
	errInactive = fmt.Errorf("%w: the authorization server says that the token is not active", auth.ErrUnauthenticated)
	errIssuer   = fmt.Errorf("%w: the token is from another issuer", auth.ErrUnauthenticated)
	errAudience = fmt.Errorf("%w: the token is for another audience", auth.ErrUnauthenticated)
	errEarly    = fmt.Errorf("%w: the token is not valid yet", auth.ErrUnauthenticated)
	errSubject  = fmt.Errorf("%w: the token's subject is missing, too long or has control characters", auth.ErrUnauthenticated)
)

// errNoAnswer is the error of a body that is no answer to an introspection request,
// which says nothing about the token.
var errNoAnswer = errors.New("the authorization server's answer is not an object with a member active")

// reading is what answers are compared with.
type reading struct {
	issuer    string
	audience  string // empty for any
	clockSkew time.Duration
	lifetime  time.Duration // of a token without exp
	details   auth.Details
}

// identity reads an answer (RFC 7662 section 2.2). An error that does not wrap
// auth.ErrUnauthenticated or auth.ErrTokenExpired says nothing about the token.
func (r reading) identity(body []byte, now time.Time) (*auth.Identity, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return nil, errNoAnswer
	}
	switch string(members["active"]) {
	case "true":
	case "false":
		return nil, errInactive
	default:
		return nil, errNoAnswer
	}
	said, err := auth.ParseClaims(body)
	if err != nil {
		return nil, err
	}
	expires := now.Add(r.lifetime)
	if !said.ExpiresAt.IsZero() {
		expires = said.ExpiresAt.Add(r.clockSkew)
	}
	switch {
	case said.Issuer != "" && said.Issuer != r.issuer:
		return nil, errIssuer
	case r.audience != "" && !slices.Contains(said.Audience, r.audience):
		return nil, errAudience
	case said.NotBefore.After(now.Add(r.clockSkew)):
		return nil, errEarly
	case !now.Before(expires):
		return nil, auth.ErrTokenExpired
	case !auth.ValidSubject(said.Subject):
		return nil, errSubject
	}
	grants, err := r.details.Grants(body)
	if err != nil {
		return nil, err
	}
	// Grants can have a condition on the issuer, which an answer need not name.
	if members["iss"], err = json.Marshal(r.issuer); err != nil {
		return nil, errIssuer
	}
	delete(members, "active")
	claims, err := json.Marshal(members)
	if err != nil {
		return nil, errNoAnswer
	}
	return &auth.Identity{
		Issuer: r.issuer, Subject: said.Subject, Claims: claims, ExpiresAt: expires,
		TokenID: said.TokenID, SessionID: said.SessionID, IssuedAt: said.IssuedAt, Bound: said.Bound, Grants: grants,
	}, nil
}
