package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cmd/sluice/config"
)

// knownCommand is the Args of the root command, which has none: what looks like one is a
// command that does not exist.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := config.Suggest(args[0], names)
	if hint == "" {
		hint = ": see sluice --help"
	}
	return fmt.Errorf("unknown command %q%s", args[0], hint)
}

// meantFlag adds to the error of a flag that does not exist the one that was probably
// meant.
func meantFlag(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if hint := config.Suggest(unknown.GetSpecifiedName(), names); hint != "" {
		return fmt.Errorf("%w%s", err, hint)
	}
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}
