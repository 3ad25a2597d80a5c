package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
)

func newCheck() *cobra.Command {
	var (
		defaults, connect bool
		wait              time.Duration
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration without running the server",
		Long: `Check reads the configuration in the same way as serve, with the same environment
variables and flags, reads the files that the configuration names, and reports all
errors with their paths. Check opens no connections, except with --connect.

With --connect, check also asks what the configuration names, as the server would: the
Kafka clusters, whether the topics of the streams can be read (those that the server creates
may be missing), Redis, the issuers of tokens, schema registries, the webhook. It writes
nothing. What does not answer is asked again for the time of --wait. Each result is a line; the exit code is 1 if one is a failure.

With --print-defaults, check prints an initial configuration file instead: every
field with its meaning, bounds and default.`,
		Example: `  sluice check --config sluice.yaml
  sluice check --config sluice.yaml --connect
  sluice check --print-defaults > sluice.yaml`,
		Args: cobra.NoArgs,
	}
	load := configured(cmd)
	cmd.Flags().BoolVar(&defaults, "print-defaults", false, "print all fields with their documentation and defaults, without checking")
	cmd.Flags().BoolVar(&connect, "connect", false, "also ask Kafka, Redis, issuers and registries")
	cmd.Flags().DurationVar(&wait, "wait", 15*time.Second, "how long --connect waits for answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if wait <= 0 {
			return usage("--wait must be longer than 0")
		}
		if defaults {
			return config.Reference(cmd.OutOrStdout())
		}
		c, err := load()
		if err != nil {
			return err
		}
		a, err := app.New(c, app.Options{})
		if err != nil {
			return usage("%w", err)
		}
		for _, warning := range c.Warnings() {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "ok: %s, %s, %s\n", count(len(c.Streams), "stream"), count(len(c.Auth.Issuers), "issuer"), count(len(c.Grants), "grant"))
		if connect {
			return checkConnections(cmd.Context(), a, wait, cmd.OutOrStdout())
		}
		return nil
	}
	return cmd
}

// checkConnections prints what answers and what does not.
func checkConnections(ctx context.Context, a *app.App, wait time.Duration, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	findings, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	failed := 0
	for _, f := range findings {
		if f.Err == nil {
			fmt.Fprintf(out, "ok: %s\n", f.Name)
			continue
		}
		failed++
		fmt.Fprintf(out, "failed: %s: %v\n", f.Name, f.Err)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, count(len(findings), "check"))
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
