package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/bulk"
	"sluice/transport/client"
)

// publishFlags are the values of the flags of publish.
type publishFlags struct {
	key, id         string
	headers         []string
	text, tombstone bool
	timeout         time.Duration
	lines           linesFlags
}

// answerWithin is how long an answer is waited for by default, longer than the server's default of
// publish_timeout.
const answerWithin = time.Minute

func newPublish() *cobra.Command {
	var chosen publishFlags
	cmd := &cobra.Command{
		Use:   "publish STREAM [VALUE]",
		Short: "Publish a record to a stream, or records from standard input",
		Long: `Publish stores a value in a stream and prints the partition and offset once all in-sync
replicas have stored the record. Values are JSON; with --text, values are stored unchanged.
With --id, the record has this message id, and is stored once in the window of the stream (10
minutes by default), however often it is published: after an answer that was lost, run the
same command again.

Without VALUE, each line of standard input is a value, or with --records a record with its
key, headers and message_id, such as tail --json prints; empty lines are left out. Lines that
are there already are sent together. Each line prints one line, in their order: the partition
and offset, or - for one that is not stored. On a terminal, a line of progress shows how many
are stored and refused, how fast, and how long the rest takes.

A line that is refused is reported with its number on standard error, and the others go on, up
to --max-refused of them. After a lost connection or answer, what may not be stored is sent
again for --retry-for, so that publish survives a restart of the server. No line is stored
twice by that: line 7 has the message id PREFIX-7, with --id-prefix or a random prefix for the
run. With --id-prefix, also the whole command can be run again, after it was killed or the
machine was, within the window of the stream: what is stored already is not stored again.
--resume-from leaves out the lines before. A stream that takes no message ids is said; then
only what is certainly not stored is sent again.

Lines are stored in their order, one request after the other. --concurrency has several at a
time, which is faster and keeps no order; so does a line that is sent again.

Exit codes: 0 when everything is stored; 1 when publish has stopped before, or it is unknown
whether a line is stored; 2 for wrong usage; 3 when everything was sent, and lines are
refused.`,
		Example: `  sluice publish chat.lobby '{"text":"hello"}' --key me
  sluice publish shop.orders '{"total":12}' --key 991 --id order-991
  sluice publish chat.lobby < messages.ndjson
  sluice publish shop.orders --key-field customer.id --id-prefix import-7 < orders.ndjson > stored.txt
  sluice publish shop.orders --id-prefix import-7 --resume-from 120001 < orders.ndjson
  sluice tail shop.orders --json --from earliest | sluice publish shop.copy --records`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeStreams(func(s client.Stream) bool { return s.Publish }),
	}
	flags := cmd.Flags()
	flags.StringVar(&chosen.key, "key", "", "key of the record; without --key, the key is null")
	flags.StringVar(&chosen.id, "id", "", "message id of VALUE: the record is stored once, also if it is published again")
	flags.StringArrayVar(&chosen.headers, "header", nil, "header, `name=value`; may be repeated")
	flags.BoolVar(&chosen.text, "text", false, "store values unchanged, without checking that they are JSON")
	flags.DurationVar(&chosen.timeout, "timeout", answerWithin, "how long an answer is waited for; what has none may be stored")
	flags.BoolVar(&chosen.tombstone, "tombstone", false, "store a null value, which deletes the key of a compacted topic")
	chosen.lines.add(cmd)
	connect := remote(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return runPublish(cmd, args, chosen, connect) }
	return cmd
}

// runPublish publishes the value of the arguments, or what comes in.
func runPublish(cmd *cobra.Command, args []string, chosen publishFlags, connect func() (*client.Client, error)) error {
	message, err := chosen.message(cmd)
	if err != nil {
		return err
	}
	single := chosen.tombstone || len(args) == 2
	switch {
	case chosen.timeout <= 0:
		return usage("--timeout %v: must be more than 0s", chosen.timeout)
	case single && chosen.lines.given(cmd) != "":
		return usage("--%s goes with lines of standard input", chosen.lines.given(cmd))
	case !single && chosen.id != "":
		return usage("--id goes with one value: with lines, use --id-prefix")
	}
	if single && !chosen.tombstone {
		if err := bulk.SetValue(&message, []byte(args[1]), chosen.text); err != nil {
			return usage("%w", err)
		}
	}
	if !single {
		if err := chosen.lines.check(cmd, chosen.text); err != nil {
			return err
		}
	}
	c, err := connect()
	if err != nil {
		return err
	}
	if !single {
		return publishLines(cmd, c, args[0], chosen, bulk.Form{Base: message, Text: chosen.text})
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), chosen.timeout)
	defer cancel()
	at, err := c.Publish(ctx, args[0], message)
	if err != nil {
		return fmt.Errorf("the value %s: %w%s", became(err), advised(err), again(err, chosen.id))
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), place(at))
	return err
}

// message returns what the flags say of a record.
func (f publishFlags) message(cmd *cobra.Command) (client.Message, error) {
	message := client.Message{ID: f.id, Tombstone: f.tombstone}
	if cmd.Flags().Changed("id") && f.id == "" {
		return message, usage("--id is empty")
	}
	if cmd.Flags().Changed("key") {
		message.Key = []byte(f.key)
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return message, usage("--header %q: expected name=value", h)
		}
		message.Headers = append(message.Headers, client.Header{Name: name, Value: []byte(value)})
	}
	if f.tombstone && (cmd.Flags().NArg() == 2 || f.text) {
		return message, usage("--tombstone cannot be combined with a value or --text")
	}
	return message, nil
}

func place(at client.Stored) string { return fmt.Sprintf("%d:%d", at.Partition, at.Offset) }

// became says what an error means for a value.
func became(err error) string {
	if errors.Is(err, client.ErrMaybeStored) {
		return "may be stored"
	}
	return "is not stored"
}

// again says whether and how a value can be published again.
func again(err error, id string) string {
	refused, ok := errors.AsType[*client.Error](err)
	text := "; publish it again with the same --id"
	switch {
	case !ok:
		return ""
	case !errors.Is(err, client.ErrMaybeStored):
		if text = "; it can be published again"; !refused.Retryable {
			return ""
		}
	case id == "":
		return "; published again, it can be stored twice: with --id it would be stored once"
	}
	if refused.RetryAfter > 0 {
		text += fmt.Sprintf(" in %v", refused.RetryAfter.Round(time.Millisecond))
	}
	return text
}
