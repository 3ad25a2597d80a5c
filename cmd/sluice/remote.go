package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/transport/client"
)

// defaultServer is the default address of serve and dev.
const defaultServer = "http://127.0.0.1:8080"

// readToken reads a bearer token (RFC 6750, section 2.1) from a file. A file without one is
// no matter of waiting.
func readToken(file string) (string, error) {
	secret, err := auth.ReadSecret(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", client.ErrNoToken, err)
	}
	return oneToken(secret.Reveal(), file)
}

// oneToken returns the token that a text is, which stands in a place.
func oneToken(text, place string) (string, error) {
	token := strings.TrimSpace(text)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%w: %s must contain one token, without spaces, and nothing else", client.ErrNoToken, place)
	}
	return token, nil
}

// remote adds the flags of a command that connects to a server. The returned
// function makes the client once the flags are parsed.
func remote(cmd *cobra.Command) func() (*client.Client, error) {
	var server, tokenFile string
	addServer(cmd, &server, &tokenFile)
	return func() (*client.Client, error) { return connectTo(server, tokenFile) }
}

// addServer adds the flags for a server and its token.
func addServer(cmd *cobra.Command, server, tokenFile *string) {
	cmd.Flags().StringVar(server, "server", "", "`URL` of the server; default is the variable "+config.ServerVariable+", else "+defaultServer)
	cmd.Flags().StringVar(tokenFile, "token-file", "", "`file` that contains a bearer token, read again for each connection; default is the token in the variable "+config.TokenVariable)
	_ = cmd.MarkFlagFilename("token-file")
}

// connectTo makes the client of a server, "" for the one of the environment.
func connectTo(server, tokenFile string) (*client.Client, error) {
	made, err := configOf(server, tokenFile)
	if err != nil {
		return nil, err
	}
	c, err := client.New(made)
	if err != nil {
		return nil, usage("%w", err)
	}
	return c, nil
}

// configOf returns how to connect to a server, "" for the one of the environment.
func configOf(server, tokenFile string) (client.Config, error) {
	made := client.Config{URL: server}
	if made.URL == "" {
		made.URL = os.Getenv(config.ServerVariable)
	}
	if made.URL == "" {
		made.URL = defaultServer
	}
	if text := os.Getenv(config.TokenVariable); text != "" && tokenFile == "" {
		token, err := oneToken(text, config.TokenVariable)
		if err != nil {
			return made, usage("%w", err)
		}
		made.Token = func(context.Context) (string, error) { return token, nil }
	}
	if tokenFile != "" {
		made.Token = func(context.Context) (string, error) {
			return readToken(tokenFile)
		}
		if _, err := made.Token(context.Background()); err != nil {
			return made, usage("%w", err)
		}
	}
	return made, nil
}
