package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

func newToken() *cobra.Command {
	var (
		secretFile string
		claims     auth.TokenClaims
		more       []string
		ttl        string
	)
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token for tests",
		Long: `Token prints a JWT signed with HS256 and with the secret in the secret_file of an
issuer of the configuration. The command is for tests and development: in
production, an identity provider makes tokens.

A claim is name=value. A value that is JSON (a number, true, a list) is used as
JSON, any other value as a string.`,
		Example: `  sluice token --secret-file fleet.key --issuer fleet --audience sluice --subject dev-1 --claim role=device
  curl -H "Authorization: Bearer $(sluice token …)" http://127.0.0.1:8080/v1/streams`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, required := range [][2]string{{"secret-file", secretFile}, {"issuer", claims.Issuer}, {"audience", claims.Audience}, {"subject", claims.Subject}} {
				if required[1] == "" {
					return usage("--%s is required", required[0])
				}
			}
			var err error
			if claims.ValidFor, err = config.ParseDuration(ttl); err != nil {
				return usage("--ttl %q %w", ttl, err)
			}
			if claims.More, err = parseClaims(more); err != nil {
				return err
			}
			secret, err := auth.ReadSecret(secretFile)
			if err != nil {
				return usage("%w", err)
			}
			token, err := auth.Mint(secret, claims)
			if err != nil {
				return usage("%w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&secretFile, "secret-file", "", "`file` that contains the issuer's secret, at least 32 bytes")
	flags.StringVar(&claims.Issuer, "issuer", "", "issuer of the token (iss), as in auth/issuers")
	flags.StringVar(&claims.Audience, "audience", "", "audience of the token (aud), as in auth/issuers")
	flags.StringVar(&claims.Subject, "subject", "", "subject of the token (sub)")
	flags.StringArrayVar(&more, "claim", nil, "additional claim, `name=value`; may be repeated")
	flags.StringVar(&ttl, "ttl", "1h", "how long the token is valid, such as 15m or 30d")
	_ = cmd.MarkFlagFilename("secret-file")
	return cmd
}

func parseClaims(texts []string) (map[string]any, error) {
	claims := make(map[string]any, len(texts))
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usage("--claim %q: expected name=value", text)
		}
		if _, ok := claims[name]; ok {
			return nil, usage("--claim %s is given twice; a list is written as %s=[\"a\",\"b\"]", name, name)
		}
		if json.Valid([]byte(value)) {
			claims[name] = json.RawMessage(value)
		} else {
			claims[name] = value
		}
	}
	return claims, nil
}
