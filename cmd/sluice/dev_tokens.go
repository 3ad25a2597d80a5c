package main

import (
	"crypto/rand"
	"errors"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/app"
)

const (
	devIssuerName, devAudience = "sluice-dev", "sluice"
	// devAdmin is the claim for which a grant of dev gives the right to operate.
	devAdmin = "sluice_admin"
)

// devIssuer makes tokens with a key that it has made at its start, so that they are worth
// nothing anywhere else.
type devIssuer struct{ secret auth.Secret }

// newDevelopment makes the issuer of dev. Its tokens have the rights that they name, on any
// stream, and not those of everybody, so that one can see what clients with few rights see.
func newDevelopment() *app.Development {
	issuer := devIssuer{auth.NewSecret(rand.Text() + rand.Text())}
	return &app.Development{
		Issuer: auth.Issuer{
			Issuer: devIssuerName, Audience: devAudience, Algorithms: []string{auth.HS256}, Secret: issuer.secret,
			AuthorizationDetails: []string{"*"}, Apart: true,
		},
		Grants: []auth.Grant{{When: map[string]string{"iss": devIssuerName, devAdmin: "true"}, Admin: true}},
		Minter: issuer,
	}
}

// Mint implements transport.Minter.
func (i devIssuer) Mint(claims map[string]any, admin bool, lives time.Duration) (auth.Secret, error) {
	said := auth.TokenClaims{Issuer: devIssuerName, Audience: devAudience, Subject: "dev", ValidFor: lives, More: make(map[string]any)}
	for name, value := range claims {
		switch name {
		case "sub":
			var ok bool
			if said.Subject, ok = value.(string); !ok || !auth.ValidSubject(said.Subject) {
				return auth.Secret{}, errors.New("the claim \"sub\" is not a string of 1 to 256 bytes without control characters")
			}
		case devAdmin:
			return auth.Secret{}, errors.New("the claim \"" + devAdmin + "\" is set by admin: true")
		default:
			said.More[name] = value
		}
	}
	if admin {
		said.More[devAdmin] = true
	}
	token, err := auth.Mint(i.secret, said)
	return auth.NewSecret(token), err
}
