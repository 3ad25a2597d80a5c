// Stackd starts the servers of package stack, prints where they are as JSON,
// and stops them when it is interrupted.
package main

import (
	"context"
	"encoding/json"
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
	flag.Parse()
	opts.Redis.Mode = stack.RedisMode(*mode)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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
