package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cmd/sluice/config"
)

// knownCommand is the Args of a command that has others below it, and no arguments: what looks
// like one is a command that does not exist.
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
		hint = fmt.Sprintf(": see %s --help", cmd.CommandPath())
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
		return fmt.Errorf("%w%s", err, strings.Replace(hint, `"`, `"--`, 1)) // as it is typed
	}
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}

// wrongArguments says which arguments a command has, in place of how many.
func wrongArguments(cmd *cobra.Command, args []string) error {
	_, names, takesAny := strings.Cut(strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.CommandPath()+" ")
	switch {
	case !takesAny && cmd.Flags().Lookup("config") != nil:
		return fmt.Errorf("%s has no arguments, and %q is one: a configuration is named with --config", cmd.CommandPath(), args[0])
	case !takesAny:
		return fmt.Errorf("%s has no arguments, and %q is one: see %[1]s --help", cmd.CommandPath(), args[0])
	case len(args) == 0:
		return fmt.Errorf("an argument is missing: %s %s", cmd.CommandPath(), names)
	}
	return fmt.Errorf("%q is one argument too many: %s %s; quote what has spaces", args[len(args)-1], cmd.CommandPath(), names)
}
