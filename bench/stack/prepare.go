package stack

import (
	"context"
	"errors"
)

// needs are the programs from packages that tests of this repository need, each with
// the tests that are skipped without it.
var needs = []struct {
	program string
	get     func(context.Context) error
	tests   string
}{
	{"Apache Kafka", func(ctx context.Context) error { _, err := kafkaJars(ctx); return err }, "all in bench/e2e and bench/chaos, and those with brokers in bench/stack"},
	{"redis-server", func(ctx context.Context) error { return Install(ctx, "redis-server") }, "those with a real Redis in hub/redisstore, bench/e2e, bench/chaos and bench/stack"},
	{"kcat", func(ctx context.Context) error { return Install(ctx, "kcat") }, "those with kcat in bench/e2e"},
	{"haproxy", func(ctx context.Context) error { return Install(ctx, "haproxy") }, "all in bench/chaos that run servers"},
	{"nginx", func(ctx context.Context) error { return Install(ctx, "nginx") }, "that of pages in a cache in transport"},
	{"chromium", func(ctx context.Context) error { return Install(ctx, "chromium") }, "those with a browser in web, transport, cmd/sluice and bench/e2e"},
	{"curl", func(ctx context.Context) error { return Install(ctx, "curl") }, "those of snippets for a terminal in cmd/sluice"},
	{"python3", func(ctx context.Context) error { return Install(ctx, "python3") }, "those of snippets in Python in cmd/sluice"},
	{"pebble", func(ctx context.Context) error { _, err := pebbleBinary(ctx); return err }, "that of ACME in cmd/sluice/app"},
	{"oidc-provider", func(ctx context.Context) error { _, err := providerPackages(ctx); return err }, "those with an OpenID provider in bench/e2e"},
	{"libraries for Java", func(ctx context.Context) error { _, err := JavaLibraries(ctx); return err }, "those of Java clients in bench/e2e"},
	{"libraries for Node.js", func(ctx context.Context) error { _, err := NodeLibraries(ctx); return err }, "that of the CloudEvents SDK for JavaScript in bench/e2e"},
	{"Deno, Bun and React Native", func(ctx context.Context) error { _, err := JavaScriptRuntimes(ctx); return err }, "those of the JavaScript client in these, in web/client, and all in bench/page"},
	{"libraries for Python", func(ctx context.Context) error { _, err := PythonLibraries(ctx); return err }, "those of the Python client in web/client, and of Python clients in bench/e2e"},
	{"ss", func(ctx context.Context) error { return Install(ctx, "iproute2") }, "that of the nearest replica in bench/e2e"},
}

// LeftOut are tests that cannot run on this machine, and why.
type LeftOut struct {
	Tests string
	Why   *MissingError
}

// Prepare fetches and installs what the tests need, as far as possible, and returns
// the tests that will be skipped.
func Prepare(ctx context.Context) ([]LeftOut, error) {
	var out []LeftOut
	for _, need := range needs {
		err := need.get(ctx)
		var missing *MissingError
		switch {
		case errors.As(err, &missing):
			out = append(out, LeftOut{Tests: need.tests, Why: missing})
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}
