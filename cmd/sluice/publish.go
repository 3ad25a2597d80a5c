package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sluice/transport/client"
)

func newPublish() *cobra.Command {
	var (
		key             string
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

Publish stops at the first value that is not stored, with exit code 1, and reports
whether the value is not stored or may be stored, and what has become of the lines that
were sent with it.`,
		Example: `  sluice publish chat.lobby '{"text":"hello"}' --key me
  sluice publish chat.lobby < messages.ndjson`,
		Args: cobra.RangeArgs(1, 2),
	}
	flags := cmd.Flags()
	flags.StringVar(&key, "key", "", "key of the record; without --key, the key is null")
	flags.StringArrayVar(&headers, "header", nil, "header, `name=value`; may be repeated")
	flags.BoolVar(&text, "text", false, "store values unchanged, without checking that they are JSON")
	flags.BoolVar(&tombstone, "tombstone", false, "store a null value, which deletes the key of a compacted topic")
	connect := remote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		message := client.Message{}
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
				return fmt.Errorf("the value %s: %w", became(err), err)
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
			message: func(value []byte) (client.Message, error) {
				m := message
				err := setValue(&m, value, text)
				return m, err
			},
			out: cmd.OutOrStdout(),
		}
		return all.from(cmd.InOrStdin())
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
