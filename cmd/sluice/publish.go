package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/transport/client"
)

// lineBytes is the maximum length of a line of standard input, which is one value.
const lineBytes = 8 << 20

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
in-sync replicas have stored the record. Without VALUE, each line of standard input
is a value. Values are JSON; with --text, values are stored unchanged.

Publish stops at the first value that is not stored, with exit code 1, and reports
whether the value is not stored or may be stored.`,
		Example: `  sluice publish chat.lobby '{"text":"hello"}' --key me
  sluice publish chat.lobby < messages.ndjson`,
		Args: cobra.RangeArgs(1, 2),
	}
	flags := cmd.Flags()
	flags.StringVar(&key, "key", "", "key of the record; without --key, the key is null")
	flags.StringVar(&id, "id", "", "message `id`, for deduplication; not supported by this version of the server, which refuses the record")
	flags.StringArrayVar(&headers, "header", nil, "header, `name=value`; may be repeated")
	flags.BoolVar(&text, "text", false, "store values unchanged, without checking that they are JSON")
	flags.BoolVar(&tombstone, "tombstone", false, "store a null value, which deletes the key of a compacted topic")
	connect := remote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
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
		case id != "" && len(args) == 1 && !tombstone:
			return usage("--id requires a single value as an argument")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		store := func(m client.Message) error {
			at, err := c.Publish(cmd.Context(), args[0], m)
			switch {
			case errors.Is(err, client.ErrMaybeStored):
				return fmt.Errorf("the value may be stored: %w", err)
			case err != nil:
				return fmt.Errorf("the value is not stored: %w", err)
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
		return eachLine(cmd.InOrStdin(), func(line []byte) error {
			m := message
			if err := setValue(&m, line, text); err != nil {
				return err
			}
			return store(m)
		})
	}
	return cmd
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

// eachLine calls do for each non-empty line. An error names the line that caused it.
func eachLine(in io.Reader, do func([]byte) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineBytes)
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := do(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}
