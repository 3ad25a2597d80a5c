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
		Short: "Check a configuration, without running it",
		Long: `Check reads the configuration as serve would, with the environment and the same
flags, reads the files that it names, and reports everything that is wrong, each
by its path. It connects to nothing.

With --print-defaults it prints every field instead, with what it means, its
bounds and its default, as a file to begin with.`,
		Example: `  sluice check --config sluice.yaml
  sluice check --print-defaults > sluice.yaml`,
		Args: cobra.NoArgs,
	}
	load := configured(cmd)
	cmd.Flags().BoolVar(&defaults, "print-defaults", false, "print every field, documented, and check nothing")
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
