package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/terminal"
)

// Exit codes, as documented in the help text.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitIncomplete = 3
)

var (
	// errUsage marks errors in how the command was called.
	errUsage = errors.New("wrong usage")
	// errIncomplete marks the end of a command that has done its work, but not all of it:
	// records are missing, or refused.
	errIncomplete = errors.New("incomplete")
)

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...)
}

// run executes a command line and returns the exit code. The first SIGTERM or SIGINT
// stops the command in order, the second one at once.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// After stop, signals have their default effect again: they end the process.
	defer context.AfterFunc(ctx, stop)()

	// A write to a pipe that nobody reads is an error, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)

	// Flags and arguments are parsed before any command runs, so an earlier error is
	// a usage error.
	running := false
	root := newRoot()
	root.PersistentPreRun = func(*cobra.Command, []string) { running = true }
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := advised(root.ExecuteContext(ctx))
	if err == nil || nobodyReads(err, out) {
		return exitOK
	}
	// It may quote what a server or a record says.
	fmt.Fprintf(terminal.Safely(errs), "sluice: %v\n", err)
	var faults config.Faults
	if !running || errors.Is(err, errUsage) || errors.As(err, &faults) {
		return exitUsage
	}
	if errors.Is(err, errIncomplete) {
		return exitIncomplete
	}
	return exitFailed
}

// nobodyReads reports whether an error is that of a write to an output that nobody reads any
// more, as when a pipe leads to head: that is no failure.
func nobodyReads(err error, out io.Writer) bool {
	file, isFile := out.(*os.File)
	write, ok := errors.AsType[*fs.PathError](err)
	return ok && isFile && write.Path == file.Name() && errors.Is(err, syscall.EPIPE)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Kafka to every browser, phone and device",
		Long: `Sluice reads Kafka topics once and delivers the records to any number of
WebSocket and SSE subscribers. Each subscriber can disconnect and resume later.

To try Sluice without Kafka:   sluice dev
To run a server:               sluice serve --config sluice.yaml

Both serve the documentation at /docs/ and the console at /.

Exit codes: 0 success, 1 failure at run time, 2 wrong usage or configuration, 3 done, but
not all of it (tail, publish, bench).`,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		Version:       version(),
	}
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(meantFlag)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(newServe(), newDev(), newInit(), newCheck(), newToken(), newKey(), newKeyset(), newEncrypt(), newRevoke(),
		newSessions(), newCursors(), newTail(), newPublish(), newBench(), newStreams(), newVersion())
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	plainFlags(root)
	finish(root)
	return root
}

// finish gives a command, and those below it, what the library does not: errors that name
// arguments, and completions for flags.
func finish(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		finish(below)
	}
	completeFlags(cmd)
	switch args := cmd.Args; {
	case cmd.HasSubCommands():
		cmd.Args = knownCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	case cmd.Name() == "help":
		cmd.Args = func(cmd *cobra.Command, names []string) error {
			found, rest, err := cmd.Root().Find(names)
			if err != nil {
				return err
			}
			return knownCommand(found, rest)
		}
	case args != nil:
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if args(cmd, given) != nil {
				return wrongArguments(cmd, given)
			}
			return nil
		}
	}
}
