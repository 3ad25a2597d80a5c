package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// streamsWithin bounds the time of a request for the streams.
const streamsWithin = 30 * time.Second

func newStreams() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "streams",
		Short: "List the streams that a server has for you",
		Long: `Streams lists the streams of a server that the token may see, and what it may do with
them: subscribe, publish, and how far back it may read. The number of partitions is ? until the
server has read the stream. With --json, each is a line of JSON.`,
		Example: `  sluice streams
  sluice streams --server https://sluice.example.com --token-file token.txt --json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	connect := remote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), streamsWithin)
		defer cancel()
		streams, err := c.Streams(ctx)
		if err != nil {
			return err
		}
		if len(streams) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "sluice: the server has no stream for you: its grants say which streams a token may use")
		}
		return printStreams(terminal.Safely(cmd.OutOrStdout()), streams, asJSON)
	}
	return cmd
}

func printStreams(out io.Writer, streams []client.Stream, asJSON bool) error {
	if asJSON {
		lines := json.NewEncoder(out)
		for _, s := range streams {
			if err := lines.Encode(s); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STREAM\tRIGHTS\tREPLAY\tPARTITIONS\tCONTENT")
	for _, s := range streams {
		partitions := "?"
		switch {
		case s.TopicMissing:
			partitions = "topic missing"
		case s.Partitions > 0:
			partitions = strconv.Itoa(int(s.Partitions))
		}
		content := s.Content
		if content == "" {
			content = "any"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Name, rightsOf(s), replayOf(s), partitions, content)
	}
	return table.Flush()
}

func rightsOf(s client.Stream) string {
	var rights []string
	if s.Subscribe {
		rights = append(rights, "subscribe")
	}
	if s.Publish {
		rights = append(rights, "publish")
	}
	return strings.Join(rights, ", ")
}

func replayOf(s client.Stream) string {
	switch {
	case !s.Subscribe:
		return "-"
	case s.Replay() < 0:
		return "unlimited"
	}
	return s.Replay().String()
}
