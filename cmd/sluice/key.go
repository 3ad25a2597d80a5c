package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"sluice/auth/apikeys"
	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Manage API keys",
	}
	cmd.AddCommand(newKeyCreate())
	return cmd
}

func newKeyCreate() *cobra.Command {
	var (
		subject, expires string
		claims           []string
		inRedis          bool
	)
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create an API key",
		Long: `Create prints a new API key, which is shown only this once, and its entry, to be
appended to the file of auth/api_keys_file. The entry contains a hash of the key,
not the key. A running server reads the file again when it changes.

With --redis the entry is stored in the Redis of the configuration instead, for
servers with auth/api_keys_redis, and only the key is printed.

A claim is name=value. A value that is JSON (a number, true, a list) is used as
JSON, any other value as a string.`,
		Example: `  sluice key create --subject reporter --claim role=device --expires 90d
  sluice key create --subject reporter --expires 2030-01-01T00:00:00Z --redis --config sluice.yaml`,
		Args: cobra.NoArgs,
	}
	load := configured(cmd)
	flags := cmd.Flags()
	flags.StringVar(&subject, "subject", "", "subject of the key's principal (sub)")
	flags.StringArrayVar(&claims, "claim", nil, "claim of the principal, `name=value`; may be repeated")
	flags.StringVar(&expires, "expires", "", "when the key expires: a duration from now, such as 90d, or a time (RFC 3339); default is never")
	flags.BoolVar(&inRedis, "redis", false, "store the entry in the Redis of the configuration")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if subject == "" {
			return usage("--subject is required")
		}
		at, err := parseExpiry(expires, time.Now())
		if err != nil {
			return err
		}
		more, err := plainClaims(claims)
		if err != nil {
			return err
		}
		key, entry, err := apikeys.Create(subject, more, at)
		if err != nil {
			return usage("%w", err)
		}
		shown, err := entry.YAML()
		if err != nil {
			return err
		}
		if inRedis {
			c, err := load()
			if err != nil {
				return err
			}
			if !c.Redis.Configured() {
				return usage("--redis requires a configuration with redis")
			}
			if err := app.StoreAPIKey(cmd.Context(), c, entry); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Reveal())
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n%s", key.Reveal(), shown)
		return err
	}
	return cmd
}

// parseExpiry parses a duration from now or a time. Empty is never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	left, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, usage("--expires %q is neither a duration, such as 90d, nor a time, such as 2030-01-01T00:00:00Z", text)
	}
	return now.Add(left).UTC().Truncate(time.Second), nil
}

// plainClaims parses claims to values that can be written as YAML.
func plainClaims(texts []string) (map[string]any, error) {
	claims, err := parseClaims(texts)
	if err != nil {
		return nil, err
	}
	for name, value := range claims {
		raw, ok := value.(json.RawMessage)
		if !ok {
			continue
		}
		var plain any
		if err := yaml.Unmarshal(raw, &plain); err != nil { // JSON is YAML
			return nil, usage("--claim %s: %w", name, err)
		}
		claims[name] = plain
	}
	return claims, nil
}
