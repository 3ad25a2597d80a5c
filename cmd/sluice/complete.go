package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/transport/client"
)

// completeWithin bounds the time for which a shell waits for the names of streams.
const completeWithin = 2 * time.Second

// completeValues completes a flag with values, in their order.
func completeValues(cmd *cobra.Command, flag string, values ...string) {
	complete := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic("complete: " + err.Error())
	}
}

// completeFlags has no names of files offered for flags of a command that name none. Which do is
// in their usage.
func completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, known := cmd.GetFlagCompletionFunc(f.Name); known {
			return
		}
		switch f.Name {
		case "log-level":
			completeValues(cmd, f.Name, "debug", "info", "warn", "error")
			return
		case "log-format":
			completeValues(cmd, f.Name, "json", "text")
			return
		}
		if what, _ := pflag.UnquoteUsage(f); what != "file" && what != "directory" {
			completeValues(cmd, f.Name)
		}
	})
}

// completeStreams completes the first argument with the names of the server's streams that may
// be used.
func completeStreams(may func(client.Stream) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var chosen serverFlags
		for name, value := range map[string]*string{
			"server": &chosen.server, "token-file": &chosen.tokenFile, "ca-file": &chosen.trust.caFile,
			"cert-file": &chosen.trust.certFile, "key-file": &chosen.trust.keyFile,
		} {
			*value, _ = cmd.Flags().GetString(name)
		}
		c, err := chosen.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
		defer cancel()
		streams, err := c.Streams(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, s := range streams {
			if may(s) {
				names = append(names, s.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
