package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the streams of a configuration",
		Long: `Serve runs Sluice against the Kafka and Redis of a configuration, until SIGTERM
or SIGINT. Then it is no longer ready, tells its sessions to come back, spread
over drain/spread, and ends within drain/timeout with exit code 0. A second
signal ends it at once.

It starts without Kafka and Redis, and is ready (/readyz) once Kafka answers. It
refuses a configuration that has neither auth/issuers nor an anonymous grant.

Defaults are overridden by the file, the file by environment variables, and
those by flags. In a variable's name two underscores stand for one level:
SLUICE_LIMITS__MESSAGE_BYTES=1MiB. See sluice check --print-defaults for all
fields.`,
		Example: `  sluice serve --config sluice.yaml
  SLUICE_LOG__LEVEL=debug sluice serve --config sluice.yaml --listen :8080
  sluice serve --config sluice.yaml --set limits/sessions_per_principal=50`,
		Args: cobra.NoArgs,
	}
	load := configured(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
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
		return a.Run(cmd.Context())
	}
	return cmd
}

// configured adds the flags of a command that reads a configuration. The returned
// function loads the configuration once the flags are parsed.
func configured(cmd *cobra.Command) func() (*config.Config, error) {
	var file string
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file` (YAML); "+config.FileVariable+" where it is not given")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	config.Flags(cmd.Flags())
	return func() (*config.Config, error) {
		if file == "" {
			file = os.Getenv(config.FileVariable)
		}
		return config.Load(config.Options{File: file, Flags: cmd.Flags()})
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
