package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/transport/client"
)

// defaultServer is the default address of serve and dev.
const defaultServer = "http://127.0.0.1:8080"

// remote adds the flags of a command that connects to a server. The returned
// function makes the client once the flags are parsed.
func remote(cmd *cobra.Command) func() (*client.Client, error) {
	var server, tokenFile string
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the server; default is the variable "+config.ServerVariable+", else "+defaultServer)
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "`file` that contains a bearer token, read again for each connection; default is the token in the variable "+config.TokenVariable)
	_ = cmd.MarkFlagFilename("token-file")
	return func() (*client.Client, error) {
		made := client.Config{URL: server}
		if made.URL == "" {
			made.URL = os.Getenv(config.ServerVariable)
		}
		if made.URL == "" {
			made.URL = defaultServer
		}
		if token := os.Getenv(config.TokenVariable); token != "" {
			made.Token = func(context.Context) (string, error) { return token, nil }
		}
		if tokenFile != "" {
			made.Token = func(context.Context) (string, error) {
				secret, err := auth.ReadSecret(tokenFile)
				return strings.TrimSpace(secret.Reveal()), err
			}
			if _, err := made.Token(context.Background()); err != nil {
				return nil, usage("%w", err)
			}
		}
		c, err := client.New(made)
		if err != nil {
			return nil, usage("%w", err)
		}
		return c, nil
	}
}
