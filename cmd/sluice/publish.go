package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/transport/client"
)

func newPublish() *cobra.Command {
	var (
		key, id         string
		headers         []string
		text, tombstone bool
	)
	cmd := &cobra.Command{
		Use:   "publish STREAM [VALUE]",
		Short: "Publish a record to a stream, or records from standard input",
		Long: `Publish stores a value in a stream and prints the partition and offset once all
in-sync replicas have stored the record. Values are JSON; with --text, values are
stored unchanged.

Without VALUE, each line of standard input is a value; empty lines are left out. Lines
that are there already are sent together, in batches that follow one another, and keep
their order. Each line that is sent prints one line: the partition and offset, or - for
one that is not stored.

With --id, the record has this message id, and is stored once in the window of the stream
(10 minutes by default), however often it is published: after an answer that was lost, run
the same command again. Without VALUE, line 7 of standard input has the id ID-7, so that
publishing a file again stores what is missing of it.

Publish stops at the first value that is not stored, with exit code 1, and reports
whether the value is not stored or may be stored, and what has become of the lines that
were sent with it.`,
		Example: `  sluice publish chat.lobby '{"text":"hello"}' --key me
  sluice publish chat.lobby < messages.ndjson
  sluice publish shop.orders '{"total":12}' --key 991 --id order-991`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeStreams(func(s client.Stream) bool { return s.Publish }),
	}
	flags := cmd.Flags()
	flags.StringVar(&key, "key", "", "key of the record; without --key, the key is null")
	flags.StringVar(&id, "id", "", "message id: the record is stored once, also if it is published again")
	flags.StringArrayVar(&headers, "header", nil, "header, `name=value`; may be repeated")
	flags.BoolVar(&text, "text", false, "store values unchanged, without checking that they are JSON")
	flags.BoolVar(&tombstone, "tombstone", false, "store a null value, which deletes the key of a compacted topic")
	connect := remote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("id") && id == "" {
			return usage("--id is empty")
		}
		message := client.Message{ID: id}
		if cmd.Flags().Changed("key") {
			message.Key = []byte(key)
		}
		for _, h := range headers {
			name, value, ok := strings.Cut(h, "=")
			if !ok || name == "" {
				return usage("--header %q: expected name=value", h)
			}
			message.Headers = append(message.Headers, client.Header{Name: name, Value: []byte(value)})
		}
		switch {
		case tombstone && (len(args) == 2 || text):
			return usage("--tombstone cannot be combined with a value or --text")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		store := func(m client.Message) error {
			at, err := c.Publish(cmd.Context(), args[0], m)
			if err != nil {
				return fmt.Errorf("the value %s: %w%s", became(err), err, again(err, id))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d:%d\n", at.Partition, at.Offset)
			return err
		}
		switch {
		case tombstone:
			message.Tombstone = true
			return store(message)
		case len(args) == 2:
			if err := setValue(&message, []byte(args[1]), text); err != nil {
				return usage("%w", err)
			}
			return store(message)
		}
		all := &lines{
			publish: func(batch []client.Message) ([]client.Result, error) {
				return c.PublishBatch(cmd.Context(), args[0], batch)
			},
			message: func(n int, value []byte) (client.Message, error) {
				m := message
				if id != "" {
					m.ID = fmt.Sprintf("%s-%d", id, n)
				}
				err := setValue(&m, value, text)
				return m, err
			},
			pause: func(d time.Duration) { pause(cmd.Context(), d) },
			out:   cmd.OutOrStdout(),
		}
		if err := all.from(cmd.InOrStdin()); err != nil {
			return fmt.Errorf("%w%s", err, again(err, id))
		}
		return nil
	}
	return cmd
}

// became says what an error means for a value.
func became(err error) string {
	if errors.Is(err, client.ErrMaybeStored) {
		return "may be stored"
	}
	return "is not stored"
}

// again says what to do about a value that may be stored.
func again(err error, id string) string {
	if id == "" || !errors.Is(err, client.ErrMaybeStored) {
		return ""
	}
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.RetryAfter > 0 {
		return fmt.Sprintf("; publish it again with the same --id in %v", refused.RetryAfter)
	}
	return "; publish it again with the same --id"
}

var errNotJSON = errors.New("the value is not JSON: quote the value, or use --text")

func setValue(m *client.Message, value []byte, text bool) error {
	switch {
	case text:
		m.Bytes = append([]byte{}, value...)
	case json.Valid(value):
		m.Data = bytes.Clone(value)
	default:
		return errNotJSON
	}
	return nil
}
