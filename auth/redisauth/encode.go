package redisauth

import (
	"encoding/json"
	"errors"
	"time"

	"sluice/auth"
)

// storedIdentity is an identity as a ticket stands for it.
type storedIdentity struct {
	Issuer    string    `json:"iss"`
	Subject   string    `json:"sub"`
	Claims    []byte    `json:"claims"` // base64, so that they stay as they are
	ExpiresAt time.Time `json:"exp"`
	IssuedAt  time.Time `json:"iat"`
	TokenID   string    `json:"jti,omitempty"`
	SessionID string    `json:"sid,omitempty"`
	// Grants are the rights that the token itself carries, and IssuerToken is whether it
	// is one of an issuer of the configuration.
	Grants      []auth.Grant `json:"grants,omitempty"`
	IssuerToken bool         `json:"issuer_token,omitempty"`
	// Certificate is the sum of the client certificate that the token is bound to.
	Certificate string `json:"x5t,omitempty"`
}

func encodeIdentity(id *auth.Identity) ([]byte, error) {
	return json.Marshal(storedIdentity{
		Issuer: id.Issuer, Subject: id.Subject, Claims: id.Claims, ExpiresAt: id.ExpiresAt, IssuedAt: id.IssuedAt,
		TokenID: id.TokenID, SessionID: id.SessionID, Certificate: id.Bound.CertificateSHA256,
		Grants: id.Grants, IssuerToken: id.IssuerToken,
	})
}

func decodeIdentity(text []byte) (*auth.Identity, error) {
	var s storedIdentity
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, errors.New("the stored identity is not JSON")
	}
	return &auth.Identity{
		Issuer: s.Issuer, Subject: s.Subject, Claims: s.Claims, ExpiresAt: s.ExpiresAt, IssuedAt: s.IssuedAt,
		TokenID: s.TokenID, SessionID: s.SessionID, Bound: auth.Binding{CertificateSHA256: s.Certificate},
		Grants: s.Grants, IssuerToken: s.IssuerToken,
	}, nil
}

// storedRevocation is a revocation in Redis and in messages. Times are Unix
// milliseconds; 0 is none. Other members are ignored.
type storedRevocation struct {
	Issuer    string `json:"iss,omitempty"`
	Subject   string `json:"sub,omitempty"`
	TokenID   string `json:"jti,omitempty"`
	SessionID string `json:"sid,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
	Before    int64  `json:"before,omitempty"`
	Until     int64  `json:"until"`
}

func encodeRevocation(r auth.Revocation) (string, error) {
	s := storedRevocation{
		Issuer: r.Issuer, Subject: r.Subject, TokenID: r.TokenID, SessionID: r.SessionID, Tenant: r.Tenant,
		Until: r.Until.UnixMilli(),
	}
	if !r.Before.IsZero() {
		s.Before = r.Before.UnixMilli()
	}
	text, err := json.Marshal(s)
	return string(text), err
}

func decodeRevocation(text string) (auth.Revocation, error) {
	var s storedRevocation
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return auth.Revocation{}, errors.New("the stored revocation is not JSON")
	}
	r := auth.Revocation{
		Issuer: s.Issuer, Subject: s.Subject, TokenID: s.TokenID, SessionID: s.SessionID, Tenant: s.Tenant,
		Until: time.UnixMilli(s.Until),
	}
	if s.Before != 0 {
		r.Before = time.UnixMilli(s.Before)
	}
	return r, nil
}
