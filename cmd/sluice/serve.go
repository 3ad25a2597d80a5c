package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the streams of a configuration",
		Long: `Serve runs Sluice with the Kafka and Redis of a configuration, until SIGTERM or
SIGINT. On the signal, the server stops being ready, asks its clients to
reconnect, spread over drain/spread, and ends within drain/timeout with exit code
0. A second signal ends the server immediately.

SIGHUP loads the configuration again: grants, auth/issuers, encryption, streams and most
limits take effect at once, also for running sessions; the log names changed fields that
need a restart. A configuration with a fault is logged and not used.

The server starts even if Kafka and Redis are unavailable, and is ready (/readyz)
once Kafka answers. Serve rejects a configuration that accepts no kind of credential
in auth and has no anonymous grant.

The configuration file overrides defaults, environment variables override the
file, and flags override environment variables. Two underscores in the name of a
variable separate levels: SLUICE_LIMITS__MESSAGE_BYTES=1MiB. All fields are printed
by sluice check --print-defaults.`,
		Example: `  sluice serve --config sluice.yaml
  SLUICE_LOG__LEVEL=debug sluice serve --config sluice.yaml --listen :8080
  sluice serve --config sluice.yaml --set limits/sessions_per_principal=50`,
		Args: cobra.NoArgs,
	}
	load := configured(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// Until the process ends: one that comes while it does must not be what ends it.
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		c, err := load()
		if err != nil {
			return err
		}
		log := newLogger(cmd.ErrOrStderr(), c.Log)
		logRedis(log)
		for _, warning := range c.Warnings() {
			log.Warn(warning)
		}
		a, err := app.New(c, app.Options{Logger: log, Version: version()})
		if err != nil {
			return usage("%w", err)
		}
		return runReloading(cmd.Context(), hangups, a, load, log)
	}
	return cmd
}

// runReloading runs the server, and loads the configuration again on each SIGHUP.
func runReloading(ctx context.Context, hangups <-chan os.Signal, a *app.App, load func() (*config.Config, error), log *slog.Logger) error {
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-hangups:
			reload(a, load, log)
		}
	}
}

// reload puts the configuration in force that the files have now. If it has a fault, the
// configuration in force stays.
func reload(a *app.App, load func() (*config.Config, error), log *slog.Logger) {
	c, err := load()
	if err != nil {
		log.Error("configuration not reloaded; the one in force stays", "error", err)
		a.ReloadRefused(err)
		return
	}
	for _, warning := range c.Warnings() {
		log.Warn(warning)
	}
	restart, err := a.Reload(c)
	if err != nil {
		log.Error("configuration not reloaded completely", "error", err)
		return
	}
	if len(restart) > 0 {
		log.Warn("changed fields take effect after a restart", "fields", restart)
	}
}

// configured adds the flags of a command that reads a configuration. The returned
// function loads the configuration once the flags are parsed.
func configured(cmd *cobra.Command) func() (*config.Config, error) {
	var file string
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file` (YAML); default is the variable "+config.FileVariable)
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	config.Flags(cmd.Flags())
	return func() (*config.Config, error) {
		if file == "" {
			file = os.Getenv(config.FileVariable)
		}
		c, err := config.Load(config.Options{File: file, Flags: cmd.Flags()})
		if err != nil && file == "" {
			return nil, fmt.Errorf("%w\n  no file was read: name one with --config, or have sluice init write one", err)
		}
		return c, err
	}
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Severity(), ReplaceAttr: plainDuration}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// plainDuration writes durations in the same form in both formats, as "1.5s": slog's
// JSON handler writes them as nanoseconds.
func plainDuration(_ []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() == slog.KindDuration {
		attr.Value = slog.StringValue(attr.Value.Duration().String())
	}
	return attr
}
