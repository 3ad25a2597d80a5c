// Stackd starts the servers of package stack, prints their addresses as JSON, and
// stops them when it is interrupted. With -install it only fetches and installs what
// the tests need, and lists the tests that will be skipped.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sluice/bench/stack"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "stackd:", err)
		os.Exit(1)
	}
}

func run() error {
	var opts stack.Options
	flag.IntVar(&opts.Brokers, "brokers", 1, "Kafka brokers, 0 to 3")
	flag.BoolVar(&opts.SASL, "sasl", false, "add a SASL_SSL listener to each broker")
	flag.BoolVar(&opts.ACLs, "acls", false, "let users of the SASL_SSL listener do only what they are granted")
	flag.BoolVar(&opts.Steady, "steady", false, "compile the brokers' code to the end, for benchmarks")
	mode := flag.String("redis", string(stack.RedisSingle), `"single", "sentinel", "cluster", or "" for none`)
	flag.BoolVar(&opts.Redis.Password, "redis-password", false, "make clients of Redis authenticate")
	flag.BoolVar(&opts.Redis.TLS, "redis-tls", false, "let Redis speak TLS only")
	install := flag.Bool("install", false, "start nothing: install what the tests need, and say what is left out without it")
	flag.Parse()
	opts.Redis.Mode = stack.RedisMode(*mode)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *install {
		return prepare(ctx)
	}
	began := time.Now()
	servers, err := stack.Start(ctx, opts)
	if err != nil {
		return err
	}
	where := map[string]any{"dir": servers.Dir, "started_in_ms": time.Since(began).Milliseconds()}
	if len(servers.Brokers) > 0 {
		where["kafka"] = servers.Bootstrap()
	}
	if opts.SASL {
		where["kafka_sasl"], where["users"], where["ca_file"] = servers.SASLBootstrap(), servers.Users, servers.CAFile
	}
	if servers.Redis != nil {
		where["redis"], where["redis_url"] = servers.Redis.Addrs(), servers.Redis.URL()
		where["sentinels"] = servers.Redis.SentinelAddrs()
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(where); err != nil {
		return err
	}
	<-ctx.Done()
	return servers.Close()
}

// prepare installs what the tests need. With CI=true nothing may be missing.
func prepare(ctx context.Context) error {
	leftOut, err := stack.Prepare(ctx)
	if err != nil {
		return err
	}
	for _, out := range leftOut {
		fmt.Fprintf(os.Stderr, "left out: %s: %v\n", out.Tests, out.Why)
	}
	if len(leftOut) > 0 && os.Getenv("CI") == "true" {
		return errors.New("with CI=true no test may be left out")
	}
	return nil
}
