package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
)

func newCheck() *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration without running the server",
		Long: `Check reads the configuration in the same way as serve, with the same environment
variables and flags, reads the files that the configuration names, and reports all
errors with their paths. Check opens no connections.

With --print-defaults, check prints an initial configuration file instead: every
field with its meaning, bounds and default.`,
		Example: `  sluice check --config sluice.yaml
  sluice check --print-defaults > sluice.yaml`,
		Args: cobra.NoArgs,
	}
	load := configured(cmd)
	cmd.Flags().BoolVar(&defaults, "print-defaults", false, "print all fields with their documentation and defaults, without checking")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if defaults {
			return config.Reference(cmd.OutOrStdout())
		}
		c, err := load()
		if err != nil {
			return err
		}
		if _, err := app.New(c, app.Options{}); err != nil {
			return usage("%w", err)
		}
		for _, warning := range c.Warnings() {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "ok: %s, %s, %s\n", count(len(c.Streams), "stream"), count(len(c.Auth.Issuers), "issuer"), count(len(c.Grants), "grant"))
		return nil
	}
	return cmd
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
