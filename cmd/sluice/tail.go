package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cmd/sluice/show"
	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// tailFlags are the values of the flags of tail.
type tailFlags struct {
	request           client.Request
	json, values, raw bool
	fields            []string
	color             terminal.When
	number            int
	noProgress        bool
}

func newTail() *cobra.Command {
	chosen := tailFlags{color: terminal.Auto}
	cmd := &cobra.Command{
		Use:   "tail STREAM",
		Short: "Follow a stream, one record per line",
		Long: `Tail subscribes to a stream and prints each record as a line of JSON: with a time in words, as
on the wire with --json, only its value with --values, or some of its fields with --fields,
separated by tabs. A pattern such as 'market.*' follows all streams that match and that the
token may read, also those that are added later; quote it for the shell.

Missing records and lost connections are reported on standard error; with --json, gaps are
lines as well. When a connection is lost, tail reconnects and continues after the last printed
record; each record is printed once. While older records are read, a line on a terminal shows
how much is done. When it is interrupted, it says on standard error how many records there
were, how fast they came, and how many gaps.

With --follow-name, the server keeps the position: tail starts after what an earlier run has
printed, and tells the server as it goes, at most once a second and at the end. A name that is
new needs --from.

Fields are paths as those of jq: .key, .time, .data.price, .data.items[0].id, .data["a b"],
.headers.trace; the first dot can be left out, and - stands for one that is not there.

A server whose certificate does not verify, or that is asked with http:// where it speaks TLS or with
https:// where it speaks none, ends tail: see --ca-file.

Exit codes: 0 when tail is interrupted, has printed --number records, or nobody reads its
output any more; 1 when the server refuses or ends the subscription or cannot be reached at this
URL, or the position cannot be stored; 2 for wrong usage; 3 when records are missing, with --fail-on-gap.`,
		Example: `  sluice tail market.ticks
  sluice tail orders --from last:10 --key eu-991 --values
  sluice tail orders --from 2026-01-31T12:00:00Z --number 100
  sluice tail orders --from offset:2:118273,5:77
  sluice tail market.ticks --filter 'data.price > 100' --fields .time,.key,.data.price
  sluice tail orders --json | jq 'select(.type == "event") | .data.total'
  sluice tail orders --follow-name billing --from earliest
  sluice tail 'market.*'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeStreams(func(s client.Stream) bool { return s.Subscribe }),
	}
	flags := cmd.Flags()
	request := &chosen.request
	flags.StringVar(&request.From, "from", "", "where to start: latest, earliest, last:N, a time (RFC 3339, or -5m), offset:PARTITION:OFFSET,…, or a cursor")
	flags.StringArrayVar(&request.Keys, "key", nil, "only records with this `key`; may be repeated")
	flags.StringVar(&request.Filter, "filter", "", "only records for which this `expression` in CEL holds, over data, key, headers, ts, partition and offset")
	flags.StringVar(&request.CursorName, "follow-name", "", "`name` of a cursor at the server: start at its stored position, and store the position of what is printed")
	flags.BoolVar(&request.Reset, "reset", false, "start at --from even if a position is stored under the name")
	flags.BoolVar(&request.FailOnGap, "fail-on-gap", false, "stop when records are missing, with exit code 3")
	flags.BoolVar(&chosen.json, "json", false, "print events as on the wire, also gaps and changes of status")
	flags.BoolVar(&chosen.values, "values", false, "print only the values")
	flags.StringArrayVar(&chosen.fields, "fields", nil, "print only these `fields` of a record, by their paths, separated by commas")
	flags.BoolVarP(&chosen.raw, "raw", "r", false, "with --fields, print texts as they are, without escapes of tabs and line ends")
	flags.IntVarP(&chosen.number, "number", "n", 0, "stop after this number of records")
	flags.Var(&chosen.color, "color", "colours in JSON: auto (on a terminal, unless NO_COLOR is set), always or never")
	flags.BoolVar(&chosen.noProgress, "no-progress", false, "no line of progress while older records are read")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "cursor-name" { // as the protocol says
			name = "follow-name"
		}
		return pflag.NormalizedName(name)
	})
	connect := remote(cmd)
	completeValues(cmd, "color", terminal.Whens...)
	completeValues(cmd, "from", "latest", "earliest", "last:10", "-5m")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if chosen.number < 1 && cmd.Flags().Changed("number") {
			return usage("--number %d: must be 1 or more", chosen.number)
		}
		printer, err := chosen.printer(cmd.OutOrStdout())
		if err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		chosen.request.Stream, chosen.request.Wire = args[0], true
		return runTail(cmd.Context(), c, chosen, printer, cmd.ErrOrStderr())
	}
	return cmd
}

// printer checks the flags, and returns what prints the records.
func (f tailFlags) printer(out io.Writer) (*show.Printer, error) {
	forms := 0
	p := &show.Printer{Out: out, Raw: f.raw, Color: f.color.Colors(out, os.Getenv), Safe: terminal.Is(out)}
	for form, wanted := range map[show.Form]bool{show.Wire: f.json, show.Values: f.values, show.Fields: len(f.fields) > 0} {
		if wanted {
			p.Form = form
			forms++
		}
	}
	switch {
	case forms > 1:
		return nil, usage("only one of --json, --values and --fields can be given")
	case f.raw && p.Form != show.Fields:
		return nil, usage("--raw goes with --fields")
	case f.request.Reset && f.request.CursorName == "":
		return nil, usage("--reset goes with --follow-name")
	}
	for _, text := range f.fields {
		paths, err := show.ParsePaths(text)
		if err != nil {
			return nil, usage("--fields: %w", err)
		}
		p.Paths = append(p.Paths, paths...)
	}
	return p, nil
}

// runTail prints records until it is to end.
func runTail(ctx context.Context, c *client.Client, chosen tailFlags, printer *show.Printer, errs io.Writer) error {
	sub := c.NewSubscription(chosen.request)
	following := follow(ctx, sub, chosen.request.CursorName != "", printer.Out)
	defer following.close()
	now := time.Now()
	var line *terminal.Line
	replay := show.NewReplay(chosen.request.From, now)
	if !chosen.noProgress && !replay.Over() {
		line = terminal.NewLine(errs)
		defer line.Clear()
		if terminal.Is(printer.Out) {
			printer.Out = line.Above(printer.Out)
		}
	}
	errs = line.Above(terminal.Safely(errs))
	seen := show.Tally{Begun: now}
	remarks := remarks{}
	for event, err := range sub.Events(following.reading) {
		if err != nil {
			if following.stopped() {
				break
			}
			return ended(err, chosen.request)
		}
		if following.ending(event) {
			continue
		}
		seen.Note(event)
		replay.Note(event)
		record, ok := event.(client.Record)
		if !ok {
			show.Remark(errs, remarks.on(event))
			err = printer.Event(event)
		} else {
			err = printer.Record(record)
		}
		if err != nil {
			return err
		}
		following.printed()
		if replay.Over() {
			line.Clear()
		} else if ok {
			line.Show(func() string { return replay.String(time.Now()) })
		}
		if ok && seen.Records == chosen.number {
			following.stop(errEnough)
		}
	}
	line.Clear()
	if errors.Is(following.why(), errInterrupted) {
		fmt.Fprintf(errs, "sluice: %s\n", seen.String(time.Now()))
	}
	return following.failed()
}

// remarks are what is said about events that are no records.
type remarks struct{ advised bool }

// on returns what is said about an event, nil for nothing. A credential that is refused is asked for
// again, and if it is refused again, the end of the subscription says so.
func (r *remarks) on(event client.Event) client.Event {
	lost, ok := event.(client.Disconnected)
	if !ok {
		return event
	}
	refused, ok := errors.AsType[*client.Error](lost.Err)
	if ok && refused.Status == http.StatusUnauthorized {
		return nil
	}
	if errors.Is(lost.Err, syscall.ECONNREFUSED) && !r.advised {
		r.advised = true
		lost.Err = fmt.Errorf("%w: %s", lost.Err, adviceOnNobody)
	}
	return lost
}

// gapCodes are the codes with which the server ends a subscription because of a gap.
var gapCodes = map[string]bool{
	client.ReasonRetention: true, client.ReasonLogChanged: true, client.ReasonTruncated: true,
	client.ReasonUnreadable: true, client.ReasonTooLarge: true, client.ReasonPolicy: true,
}

// ended adds to the error with which a subscription ends what to do about it.
func ended(err error, request client.Request) error {
	refused, ok := errors.AsType[*client.Error](err)
	switch {
	case !ok:
		return err
	case request.FailOnGap && gapCodes[refused.Code]:
		return fmt.Errorf("%w: records are missing: %w", errIncomplete, err)
	case refused.Code == "cursor_lost":
		return fmt.Errorf("%w; nothing is stored under %q: say with --from where to start", err, request.CursorName)
	}
	return err
}
