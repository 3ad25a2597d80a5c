package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
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

// serverFlags are the values of the flags for a server.
type serverFlags struct {
	server, tokenFile string
	trust             trust
}

func (f *serverFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "`URL` of the server; default is the variable "+config.ServerVariable+", else "+defaultServer)
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "`file` that contains a bearer token, read again for each connection; default is the token in the variable "+config.TokenVariable)
	_ = cmd.MarkFlagFilename("token-file")
	f.trust.add(cmd)
}

// remote adds the flags of a command that connects to a server. The returned
// function makes the client once the flags are parsed.
func remote(cmd *cobra.Command) func() (*client.Client, error) {
	var chosen serverFlags
	chosen.add(cmd)
	return chosen.connect
}

// connect makes the client of the server.
func (f *serverFlags) connect() (*client.Client, error) {
	made, err := f.config()
	if err != nil {
		return nil, err
	}
	c, err := client.New(made)
	if err != nil {
		return nil, usage("%w", err)
	}
	return c, nil
}

// config returns how to connect to the server.
func (f *serverFlags) config() (client.Config, error) {
	made := client.Config{URL: f.url()}
	transport, err := f.trust.transport()
	if err != nil {
		return made, err
	}
	made.HTTPClient = &http.Client{Transport: transport}
	made.Token, err = f.token()
	return made, err
}

// url returns the URL of the server.
func (f *serverFlags) url() string {
	return urlOf(cmp.Or(f.server, os.Getenv(config.ServerVariable), defaultServer))
}

// urlOf returns the URL that is meant by an address: HOST:PORT is one without TLS on this machine. To
// another, nothing is sent without TLS unless that is asked for.
func urlOf(address string) string {
	authority, _, _ := strings.Cut(address, "/")
	host, _, err := net.SplitHostPort(authority)
	if err != nil || strings.Contains(address, "://") {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return "http://" + address
	}
	return address
}

// token returns what returns the token, nil for none.
func (f *serverFlags) token() (func(context.Context) (string, error), error) {
	if f.tokenFile == "" {
		return tokenOfVariable()
	}
	read := func(context.Context) (string, error) { return readToken(f.tokenFile) }
	if _, err := read(context.Background()); err != nil {
		return nil, usage("%w", err)
	}
	return read, nil
}

// tokenOfVariable returns what returns the token of the environment, nil for none.
func tokenOfVariable() (func(context.Context) (string, error), error) {
	text := os.Getenv(config.TokenVariable)
	if text == "" {
		return nil, nil
	}
	token, err := oneToken(text, config.TokenVariable)
	if err != nil {
		return nil, usage("%w", err)
	}
	return func(context.Context) (string, error) { return token, nil }, nil
}
