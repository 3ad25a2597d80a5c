package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/transport/client"
)

func newTail() *cobra.Command {
	var (
		request client.Request
		values  bool
		number  int
		fields  []string
	)
	cmd := &cobra.Command{
		Use:   "tail STREAM",
		Short: "Follow a stream, one record per line",
		Long: `Tail subscribes to a stream and prints each record as a line of JSON, or only its
value with --values, or some of its fields with --fields, separated by tabs. A pattern such as 'market.*' follows all streams that match and
that the token may read, also those that are added later; quote it for the shell. Missing records and lost connections are reported on standard
error. When a connection is lost, tail reconnects and continues after the last
printed record; each record is printed once. When it is interrupted, it says on standard
error how many records there were, how fast they came, and how many gaps.

The exit code is 0 when tail is interrupted or has printed --number records, and 1
when the server refuses the subscription.`,
		Example: `  sluice tail market.ticks
  sluice tail orders --from last:10 --key eu-991 --values
  sluice tail orders --from 2026-01-31T12:00:00Z --number 100
  sluice tail orders --from offset:2:118273,5:77
  sluice tail market.ticks --filter 'data.price > 100' --fields time,key,data.price
  sluice tail 'market.*'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeStreams(func(s client.Stream) bool { return s.Subscribe }),
	}
	flags := cmd.Flags()
	flags.StringVar(&request.From, "from", "", "where to start: latest, earliest, last:N, a time (RFC 3339, or -5m), offset:PARTITION:OFFSET,…, or a cursor")
	flags.StringArrayVar(&request.Keys, "key", nil, "only records with this `key`; may be repeated")
	flags.StringVar(&request.Filter, "filter", "", "only records for which this `expression` in CEL holds, over data, key, headers, ts, partition and offset")
	flags.StringVar(&request.CursorName, "cursor-name", "", "`name` of a cursor: start at its stored position, and store the position while reading")
	flags.BoolVar(&request.Reset, "reset", false, "start at --from even if a position is stored under the cursor name")
	flags.BoolVar(&request.FailOnGap, "fail-on-gap", false, "stop when records are missing")
	flags.BoolVar(&values, "values", false, "print only the values")
	flags.StringSliceVar(&fields, "fields", nil, "print only these `fields` of a record, by their paths, such as key,data.price,data.items.0.id; - stands for one that is not there")
	flags.IntVarP(&number, "number", "n", 0, "stop after this number of records")
	connect := remote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case number < 0:
			return usage("--number %d: must be 1 or more", number)
		case values && len(fields) > 0:
			return usage("--values cannot be combined with --fields")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		request.Stream = args[0]
		request.AutoAck = request.CursorName != ""
		out := bufio.NewWriter(cmd.OutOrStdout())
		seen := tally{begun: time.Now()}
		for event, err := range c.Subscribe(cmd.Context(), request) {
			if err != nil {
				if err = unlessInterrupted(cmd, err); err == nil {
					seen.print(cmd.ErrOrStderr(), time.Now())
				}
				return err
			}
			seen.note(event)
			record, ok := event.(client.Record)
			if !ok {
				remark(cmd.ErrOrStderr(), event)
				continue
			}
			if err := printRecord(out, record, values, fields); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
			if seen.records == number {
				return nil
			}
		}
		return nil
	}
	return cmd
}

// unlessInterrupted drops the error of a stop that was requested.
func unlessInterrupted(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil && errors.Is(err, cmd.Context().Err()) {
		return nil
	}
	return err
}

// printed is a record as tail prints it.
type printed struct {
	Stream    string          `json:"stream"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Time      *time.Time      `json:"time"`
	Key       *string         `json:"key"`
	Headers   [][2]*string    `json:"headers,omitempty"`
	Data      json.RawMessage `json:"data"`
	Encoding  string          `json:"encoding,omitempty"`
	Tombstone bool            `json:"tombstone,omitempty"`
	Redacted  bool            `json:"redacted,omitempty"`
}

func printRecord(out io.Writer, r client.Record, values bool, fields []string) error {
	if values {
		value, err := r.Value()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", value)
		return err
	}
	p := printed{Stream: r.Stream, Partition: r.Partition, Offset: r.Offset, Data: r.Data, Encoding: r.Encoding, Tombstone: r.Tombstone, Redacted: r.Redacted}
	if !r.Time.IsZero() {
		p.Time = &r.Time
	}
	if r.Key != nil {
		key := string(r.Key)
		p.Key = &key
	}
	for _, h := range r.Headers {
		header := [2]*string{&h.Name}
		if h.Value != nil {
			value := string(h.Value)
			header[1] = &value
		}
		p.Headers = append(p.Headers, header)
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		line = pick(line, fields)
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

// remark prints events other than records that the user should know about.
func remark(w io.Writer, event client.Event) {
	switch e := event.(type) {
	case client.Gap:
		fmt.Fprintf(w, "sluice: offsets %d to %d of partition %d of %s are missing: %s\n", e.From, e.To-1, e.Partition, e.Stream, e.Reason)
	case client.Status:
		if e.Live {
			fmt.Fprintln(w, "sluice: the stream is available again")
		} else {
			fmt.Fprintln(w, "sluice: the stream is unavailable: the server cannot read Kafka")
		}
	case client.Subscribed:
		if e.Streams != nil {
			fmt.Fprintf(w, "sluice: following %s\n", list(e.Streams))
		}
	case client.Streams:
		if len(e.Added) > 0 {
			fmt.Fprintf(w, "sluice: now also following %s\n", list(e.Added))
		}
		if len(e.Removed) > 0 {
			fmt.Fprintf(w, "sluice: no longer following %s\n", list(e.Removed))
		}
		if e.Omitted > 0 {
			fmt.Fprintf(w, "sluice: the server's limits leave out %d streams\n", e.Omitted)
		}
	case client.Disconnected:
		fmt.Fprintf(w, "sluice: not connected (%v), retrying in %s\n", e.Err, e.Retry.Round(time.Millisecond))
	}
}

// list shows the names of streams.
func list(streams []string) string {
	if len(streams) == 0 {
		return "no stream yet"
	}
	return strings.Join(streams, ", ")
}
