package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/measure"
	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// benchFlags are the values of the flags of bench.
type benchFlags struct {
	measure.Config
	size       int
	value      string
	json, yes  bool
	server     serverFlags
	noProgress bool
}

func newBench() *cobra.Command {
	chosen := benchFlags{Config: measure.Config{Patience: 5 * time.Second}}
	cmd := &cobra.Command{
		Use:   "bench [URL]",
		Short: "Measure an installation with many subscribers",
		Long: `Bench subscribes a number of clients to a stream, and prints how long they took to connect,
how many records a second they received, in how many bytes, the percentiles of the latency,
and what went wrong. With --rate it publishes records of its own as well, and counts which of
the clients have missed one, or received it twice.

The latency of its own records is from when each was due until a client has it, on one clock;
a stall counts for all records that it delays. Of other records it is their age: from their
time in Kafka, in whole milliseconds, which the clock of their producer or broker has set.
Compare it only where these clocks agree.

Clients connect at --connect-rate before the window of --duration begins. One that loses its
connection comes back behind the last record that it had, after a random wait of up to half a
second, which doubles with each attempt, up to 5 seconds, and as long as the server asks for. Lost
connections are counted, with the time until the client was back: run it across a restart of
the server to see what its clients would.

--token-file may have several tokens, one a line, which are handed out to the clients in turn, and
to the records of --rate: the limits of the server for a principal (sessions_per_principal) hold
for each. All clients have one address, and its limit (sessions_per_address) holds for them
together. The bench measures from where it runs, and itself: it prints the CPU time that it used,
and the limit of open files that it needs for its connections.

More than ` + fmt.Sprintf("%d clients, %d records a second or %v", measure.ModestClients, measure.ModestRate, measure.ModestDuration) + `
need --yes, unless the server is on this machine. --rate publishes to the stream like any
client: for all who read it.

Exit codes: 0 when all clients connected, and nothing was lost; 1 when no client could
subscribe; 2 for wrong usage; 3 when some could not, or records are missing, repeated or
refused, or connections were lost.`,
		Example: `  sluice bench http://127.0.0.1:8080 --stream market.ticks
  sluice bench http://127.0.0.1:8080 --stream chat.lobby --clients 500 --rate 20 --duration 30s
  sluice bench https://sluice.example.com --token-file tokens.txt --stream orders --transport sse --json
  sluice bench --stream iot.telemetry --rate 10 --value '{"temp_c":21.5}'`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&chosen.Stream, "stream", "", "`stream` to subscribe to; required")
	flags.StringVar(&chosen.Transport, "transport", measure.WebSocket, "how clients subscribe: "+strings.Join(measure.Transports, " or "))
	flags.IntVar(&chosen.Clients, "clients", 10, fmt.Sprintf("number of clients, up to %d", measure.MaxClients))
	flags.Float64Var(&chosen.ConnectRate, "connect-rate", 100, "connections a second while clients connect")
	flags.DurationVar(&chosen.Duration, "duration", 10*time.Second, fmt.Sprintf("length of the measurement, 1s to %v", measure.MaxDuration))
	flags.Float64Var(&chosen.Rate, "rate", 0, "records a second that are published; 0 for none")
	flags.IntVar(&chosen.size, "size", 200, "size of their values in bytes, without --value")
	flags.StringVar(&chosen.value, "value", "", "value of the records, in `JSON`, for streams with a schema")
	flags.DurationVar(&chosen.Patience, "patience", chosen.Patience, "how long records are waited for at the end")
	flags.BoolVar(&chosen.json, "json", false, "print the result as one JSON object")
	flags.BoolVar(&chosen.yes, "yes", false, "ask much of a server on another machine")
	flags.BoolVar(&chosen.noProgress, "no-progress", false, "no line of progress")
	chosen.server.add(cmd)
	flags.Lookup("token-file").Usage = "`file` of bearer tokens, one a line, which are handed out in turn; it is read again when it has changed; default is the token in the variable " + config.TokenVariable
	completeValues(cmd, "transport", measure.Transports...)
	streams := completeStreams(func(s client.Stream) bool { return s.Subscribe })
	_ = cmd.RegisterFlagCompletionFunc("stream", func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			// The URL of the command line is the server's.
			_ = cmd.Flags().Set("server", args[0])
		}
		return streams(cmd, nil, begin)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			chosen.server.server = args[0]
		}
		if err := chosen.prepare(); err != nil {
			return err
		}
		return runBench(cmd, chosen)
	}
	return cmd
}

// prepare checks the flags, and completes the configuration.
func (f *benchFlags) prepare() error {
	if err := f.connection(); err != nil {
		return err
	}
	switch {
	case f.Stream == "":
		return usage("--stream is required")
	case f.value != "" && !json.Valid([]byte(f.value)):
		return usage("--value is not JSON")
	case f.size < 1 || f.size > measure.MaxSize:
		return usage("--size %d: must be 1 to %d", f.size, measure.MaxSize)
	case f.Patience < 0:
		return usage("--patience %v: must be 0s or more", f.Patience)
	}
	if f.Value = []byte(f.value); f.value == "" {
		f.Value = padded(f.size)
	}
	if err := f.Check(); err != nil {
		return usage("%w", err)
	}
	if err := f.Modest(); err != nil && !f.yes {
		return usage("%w, and the server is on another machine: if that is what you want, say --yes", err)
	}
	if most, known := measure.OpenFiles(); known && uint64(f.Files()) > most {
		return usage("%d clients need %d open files, and this process may have %d: raise the limit (ulimit -n, LimitNOFILE), or use fewer clients", f.Clients, f.Files(), most)
	}
	return nil
}

// connection completes the part of the configuration that says how to connect.
func (f *benchFlags) connection() (err error) {
	f.URL = f.server.url()
	if _, err := client.New(client.Config{URL: f.URL}); err != nil {
		return usage("%w", err)
	}
	if f.TLS, err = f.server.trust.config(); err != nil {
		return err
	}
	if f.server.tokenFile != "" {
		if f.Tokens, err = tokensOf(f.server.tokenFile); err != nil {
			return usage("%w", err)
		}
		return nil
	}
	token, err := tokenOfVariable()
	if token != nil {
		f.Tokens = []func(context.Context) (string, error){token}
	}
	return err
}

// padded returns a value of a size in bytes; a small one is a number.
func padded(size int) []byte {
	const frame = `{"pad":""}`
	if size < len(frame) {
		return []byte(strings.Repeat("1", size))
	}
	return []byte(`{"pad":"` + strings.Repeat("x", size-len(frame)) + `"}`)
}

func runBench(cmd *cobra.Command, chosen benchFlags) error {
	errs := cmd.ErrOrStderr()
	var line *terminal.Line
	if !chosen.noProgress {
		line = terminal.NewLine(errs)
		defer line.Clear()
	}
	if most, known := measure.OpenFiles(); known && line != nil {
		fmt.Fprintf(errs, "sluice: up to %d files are opened, of %d that this process may have\n", chosen.Files(), most)
	}
	chosen.Progress = func(p measure.Progress) {
		line.Show(func() string {
			if p.Part < 0 {
				return fmt.Sprintf("connected %d of %d, %d failed", p.Connected, chosen.Clients, p.Failed)
			}
			text := fmt.Sprintf("%s, %d records", terminal.Bar(p.Part), p.Records)
			if p.Away > 0 {
				text += fmt.Sprintf(", %s away", terminal.Count(p.Away, "client"))
			}
			return text
		})
	}
	report, err := measure.Run(cmd.Context(), chosen.Config)
	line.Clear()
	switch {
	case report == nil && client.Unreachable(err) != nil:
		return err
	case report == nil:
		return usage("%w", err)
	}
	if chosen.json {
		err = errors.Join(err, json.NewEncoder(cmd.OutOrStdout()).Encode(report))
	} else {
		err = errors.Join(err, report.Print(terminal.Safely(cmd.OutOrStdout())))
	}
	switch {
	case err != nil:
		return err
	case !report.Faultless():
		return fmt.Errorf("%w: not everything went well, see the result", errIncomplete)
	}
	return nil
}
