package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

// How much the embedded servers keep, and how much history the demo streams begin
// with.
const (
	devPartitionBytes = 8 << 20
	devHistory        = 5 * time.Minute
)

// devFlags are the values of the flags of dev.
type devFlags struct {
	dataDir, listen, admin, level string
	insecureListen, kafkaListen   string
	streams                       []string
	rates                         map[string]string
	seed                          uint64
	history                       time.Duration // that demo streams begin with; devHistory if zero
}

func newDev() *cobra.Command {
	var chosen devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the server with an embedded Kafka and Redis and demo streams",
		Long: `Dev runs Sluice with an embedded Kafka and Redis in the same process, and with demo
streams that start with five minutes of history. All demo data is generated.

Dev is for development only: the embedded Kafka and Redis are fakes, and access is
open to everybody on this machine, so dev listens on loopback only, and lets in pages
that are served from loopback, whatever their port. Without --data-dir, no data is kept.

With --stream, dev has streams of your own, which begin empty. Other programs can produce
to their topics and consume them: dev prints the address of its Kafka, which --kafka-listen
sets. --insecure-listen serves a phone or a container: everybody who can connect to that
address may read and publish everything.

Demo streams: ` + strings.Join(topicNames(), ", ") + `.`,
		Example: `  sluice dev
  sluice dev --stream orders:3 --kafka-listen 127.0.0.1:9092
  sluice dev --data-dir ./data --rate market.ticks=500 --rate wiki.edits=0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDev(cmd.Context(), chosen, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&chosen.dataDir, "data-dir", "", "`directory` in which data is kept between runs")
	flags.StringVar(&chosen.listen, "listen", "127.0.0.1:8080", "address for clients; must be on loopback")
	flags.StringVar(&chosen.insecureListen, "insecure-listen", "", "`address` for clients in place of --listen, which may be reachable from other machines")
	flags.StringVar(&chosen.kafkaListen, "kafka-listen", "127.0.0.1:0", "address of the embedded Kafka; must be on 127.0.0.1")
	flags.StringArrayVar(&chosen.streams, "stream", nil, "a stream of your own, as `name:partitions`; may be repeated")
	flags.StringVar(&chosen.admin, "admin-listen", "127.0.0.1:8081", "address for operators; must be on loopback")
	flags.StringVar(&chosen.level, "log-level", "warn", "lowest level that is logged: debug, info, warn, error")
	flags.StringToStringVar(&chosen.rates, "rate", nil, "mean records per second of a demo stream, as `stream=rate`; 0 disables the stream; may be repeated")
	flags.Uint64Var(&chosen.seed, "seed", 1, "seed of the demo data; the same seed generates the same records")
	_ = cmd.MarkFlagDirname("data-dir")
	return cmd
}

// runDev runs the embedded servers and, on top of them, the same server as serve.
func runDev(ctx context.Context, chosen devFlags, out, errs io.Writer) error {
	for _, address := range []string{chosen.listen, chosen.admin} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return usage("%q is not an address: expected HOST:PORT, such as 127.0.0.1:8080", address)
		}
		if !config.OnLoopback(address) {
			return usage("%s is not on loopback: dev is open to everybody, so dev listens on loopback only; to serve other machines all the same, see --insecure-listen", address)
		}
	}
	if chosen.insecureListen != "" {
		chosen.listen = chosen.insecureListen
	}
	kafkaPort, err := localPort(chosen.kafkaListen)
	if err != nil {
		return err
	}
	own, err := parseStreams(chosen.streams)
	if err != nil {
		return err
	}
	rates, err := parseRates(chosen.rates)
	if err != nil {
		return err
	}
	log := newLogger(errs, config.Log{Level: chosen.level, Format: "text"})
	logRedis(log)
	fmt.Fprintln(out, "Starting an embedded Kafka and Redis, and writing five minutes of demo data …")
	servers, err := embedded.Start(embedded.Config{
		DataDir:        chosen.dataDir,
		KafkaPort:      kafkaPort,
		Topics:         own,
		PartitionBytes: devPartitionBytes,
		Rates:          rates,
		History:        cmp.Or(chosen.history, devHistory),
		Seed:           chosen.seed,
		Logger:         log.With("component", "embedded"),
	})
	if err != nil {
		return err
	}
	a, err := newDevApp(servers, chosen, own, log, func(address net.Addr) {
		fmt.Fprint(out, welcome(address.String(), servers.Brokers[0], chosen, own))
	})
	if err != nil {
		servers.Close()
		return err
	}

	// The embedded servers outlive the app, which still writes to them while it
	// stops.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	under, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		err := servers.Run(under)
		if err != nil {
			cancel(err)
		}
		ended <- err
	}()
	select {
	case <-servers.Ready():
		err = a.Run(ctx)
	case <-ctx.Done():
	}
	stop()
	return errors.Join(err, <-ended)
}

// newDevApp makes the app for the embedded servers, with anonymous access.
func newDevApp(servers *embedded.Embedded, chosen devFlags, own []embedded.Topic, log *slog.Logger, listening func(net.Addr)) (*app.App, error) {
	dir, err := writeSchemas()
	defer func() { _ = os.RemoveAll(dir) }()
	if err != nil {
		return nil, fmt.Errorf("write the schemas of the demo streams: %w", err)
	}
	c, err := config.Load(config.Options{Text: devConfig(servers, chosen, own, dir), Environ: []string{}})
	if err != nil {
		return nil, err
	}
	return app.New(c, app.Options{
		Logger: log, Version: version(), Listening: listening, LoopbackOrigins: true, FaultLevel: slog.LevelWarn, Development: newDevelopment(),
	})
}

// writeSchemas writes the schemas of the demo streams to a folder of their own, from which
// the configuration reads them.
func writeSchemas() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "sluice-dev-"); err != nil {
		return "", err
	}
	for _, topic := range embedded.Topics() {
		if topic.Schema != nil {
			err = errors.Join(err, os.WriteFile(schemaFile(dir, topic.Name), topic.Schema, 0o600))
		}
	}
	return dir, err
}

func schemaFile(dir, stream string) string { return filepath.Join(dir, stream+".schema.json") }

// devConfig returns the configuration of dev. All clients have the same address, so
// there is no limit of sessions per address.
func devConfig(servers *embedded.Embedded, chosen devFlags, own []embedded.Topic, schemas string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: %q\nadmin: {listen: %q}\n", chosen.listen, chosen.admin)
	fmt.Fprintf(&b, "kafka: {brokers: [%s]}\n", strings.Join(servers.Brokers, ", "))
	// The embedded Redis takes a hundred times as long for a script as Redis does.
	fmt.Fprintf(&b, "redis: {url: %q, timeout: 5s}\n", "redis://"+servers.RedisAddr)
	fmt.Fprintf(&b, "log: {level: %q, format: text}\n", chosen.level)
	fmt.Fprintf(&b, "grants: [{anonymous: true, subscribe: [\"*\"], publish: [\"*\"], replay: unlimited, admin: %t}]\n", config.OnLoopback(chosen.listen))
	fmt.Fprintf(&b, "limits: {sessions_per_address: 0}\ndrain: {timeout: 3s, spread: 1s}\nstreams:\n")
	for _, topic := range embedded.Topics() {
		rules := devRules(topic.Name)
		if topic.Schema != nil {
			rules += fmt.Sprintf(", schema: {json: %q}", schemaFile(schemas, topic.Name))
		}
		fmt.Fprintf(&b, "  %[1]s: {topic: %[1]s%s}\n", topic.Name, rules)
	}
	for _, topic := range own {
		fmt.Fprintf(&b, "  %q: {topic: %q}\n", topic.Name, topic.Name)
	}
	return b.String()
}

// devRules returns the fields of a demo stream beside its topic. What is published to the
// lobby and is not JSON, or is too long, goes to another stream, as do readings that do not
// match their schema. Whoever is late with the market has the newest tick of each symbol; its
// records in memory are so few that this can be seen.
func devRules(name string) string {
	switch name {
	case "chat.lobby":
		return ", content: json, ingest: {max: {value_bytes: 4KiB}, on_invalid: dead_letter, dead_letter: chat.rejected}"
	case "iot.telemetry":
		return ", content: json, ingest: {on_invalid: dead_letter, dead_letter: iot.rejected}"
	case "market.ticks":
		return ", content: json, slow: conflate, log_bytes: 256KiB"
	case "chat.rejected", "iot.rejected":
		return ""
	}
	return ", content: json"
}

func topicNames() []string {
	var names []string
	for _, topic := range embedded.Topics() {
		names = append(names, topic.Name)
	}
	return names
}
