package app

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/segmentio/kafka-go/sasl"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/hub/kafkalog/bearer"
	"sluice/hub/kafkalog/mskiam"
)

// newMechanism makes the SASL mechanism, nil if none is configured, and the tokens that
// it uses, nil if it uses none.
func newMechanism(s *config.SASL, logger *slog.Logger) (sasl.Mechanism, *bearer.Tokens, error) {
	if s == nil {
		return nil, nil, nil
	}
	switch s.Mechanism {
	case config.OAuthBearer, config.AWSMSKIAM:
		tokens, err := newTokens(s, logger)
		if err != nil {
			return nil, nil, err
		}
		var extensions map[string]string
		if s.OAuth != nil {
			extensions = s.OAuth.Extensions
		}
		mechanism, err := bearer.NewMechanism(tokens, extensions)
		return mechanism, tokens, err
	}
	mechanism, err := newPasswordMechanism(s)
	return mechanism, nil, err
}

// newTokens makes the tokens of a mechanism.
func newTokens(s *config.SASL, logger *slog.Logger) (*bearer.Tokens, error) {
	made := bearer.Config{Logger: logger}
	var err error
	switch {
	case s.AWS != nil:
		made.Timeout, made.Lifetime = s.AWS.Timeout, mskiam.Lifetime
		made.Source, err = mskiam.New(mskiam.Config{
			Region: s.AWS.Region, CredentialsFile: string(s.AWS.CredentialsFile), Profile: s.AWS.Profile,
			RoleARN: s.AWS.RoleARN, SessionName: s.AWS.RoleSession, ExternalID: s.AWS.ExternalID, Metadata: s.AWS.Metadata,
		})
	case s.OAuth == nil:
		return nil, errors.New("there is no source of tokens")
	case s.OAuth.TokenFile != "":
		made.Timeout, made.Lifetime, made.Refresh = s.OAuth.Timeout, s.OAuth.Lifetime, s.OAuth.TokenFileEvery
		made.Source = bearer.File{Path: string(s.OAuth.TokenFile)}
	default:
		made.Timeout, made.Lifetime = s.OAuth.Timeout, s.OAuth.Lifetime
		made.Source, err = newEndpoint(s.OAuth)
	}
	if err != nil {
		return nil, err
	}
	return bearer.New(made)
}

func newEndpoint(o *config.SASLOAuth) (*bearer.Endpoint, error) {
	tls, err := o.TLS.Load()
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	return bearer.NewEndpoint(bearer.EndpointConfig{
		URL: o.TokenURL, ClientID: o.ClientID, InBody: o.ClientAuth == "body", Scope: o.Scope, Parameters: o.Parameters, TLS: tls,
		Secret: func() (string, error) {
			secret, err := auth.ReadSecret(string(o.ClientSecretFile))
			if err == nil && secret.IsZero() {
				err = fmt.Errorf("%s is empty", o.ClientSecretFile)
			}
			return secret.Reveal(), err
		},
	})
}
