package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/bulk"
	"sluice/cmd/sluice/show"
	"sluice/cmd/sluice/terminal"
	"sluice/hub/backoff"
	"sluice/transport/client"
)

// Bounds of the flags for lines.
const (
	maxConcurrency = 64
	// maxPrefix leaves room for a number in a message id of 128 characters.
	maxPrefix = 100
)

// linesFlags are the values of the flags for lines of standard input.
type linesFlags struct {
	idPrefix, idField, keyField string
	records, quiet              bool
	from, concurrency, refused  int
	retryFor                    time.Duration
}

// linesFlagNames are the flags that need lines.
var linesFlagNames = []string{"id-prefix", "id-field", "key-field", "records", "quiet", "resume-from", "concurrency", "max-refused", "retry-for"}

func (f *linesFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.idPrefix, "id-prefix", "", "begin of the message ids of lines, `PREFIX`-LINE: the command can be run again")
	flags.StringVar(&f.idField, "id-field", "", "`path` of the message id in a value, such as order.id, in place of its line")
	flags.StringVar(&f.keyField, "key-field", "", "`path` of the key in a value, such as customer.id")
	flags.BoolVar(&f.records, "records", false, "each line is a record: an object with data, and with key, headers and message_id where it has them")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not print where lines are stored")
	flags.IntVar(&f.from, "resume-from", 1, "first `line` that is sent")
	flags.IntVar(&f.concurrency, "concurrency", 1, fmt.Sprintf("requests at a time, up to %d; more than one keep no order", maxConcurrency))
	flags.IntVar(&f.refused, "max-refused", 100, "stop when more lines than this are refused; -1 for never")
	flags.DurationVar(&f.retryFor, "retry-for", 2*time.Minute, "how long what may not be stored is sent again")
}

// given returns the first of these flags that is given, "" for none.
func (f *linesFlags) given(cmd *cobra.Command) string {
	for _, name := range linesFlagNames {
		if cmd.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

func (f *linesFlags) check(cmd *cobra.Command, text bool) error {
	flags := cmd.Flags()
	switch {
	case flags.Changed("id-prefix") && (f.idPrefix == "" || len(f.idPrefix) > maxPrefix || strings.ContainsFunc(f.idPrefix, func(r rune) bool { return r <= ' ' || r > '~' })):
		return usage("--id-prefix: 1 to %d printable characters of ASCII, without spaces", maxPrefix)
	case f.from < 1:
		return usage("--resume-from %d: lines are counted from 1", f.from)
	case f.concurrency < 1 || f.concurrency > maxConcurrency:
		return usage("--concurrency %d: must be 1 to %d", f.concurrency, maxConcurrency)
	case f.retryFor < 0:
		return usage("--retry-for %v: must be 0s or more", f.retryFor)
	case f.records && (text || f.idField != "" || f.keyField != ""):
		return usage("--records cannot be combined with --text, --id-field or --key-field: the record says it")
	case text && (f.idField != "" || f.keyField != ""):
		return usage("--text cannot be combined with --id-field or --key-field, which are places in JSON")
	case f.keyField != "" && flags.Changed("key"):
		return usage("--key cannot be combined with --key-field")
	case f.idField != "" && f.idPrefix != "":
		return usage("--id-prefix cannot be combined with --id-field")
	}
	return nil
}

// publishLines publishes standard input.
func publishLines(cmd *cobra.Command, c *client.Client, stream string, all publishFlags, form bulk.Form) error {
	chosen := all.lines
	form.Records = chosen.records
	var err error
	if form.KeyField, err = placeOf(chosen.keyField); err != nil {
		return usage("--key-field: %w", err)
	}
	if form.IDField, err = placeOf(chosen.idField); err != nil {
		return usage("--id-field: %w", err)
	}
	prefix := chosen.idPrefix
	if prefix == "" {
		prefix = strings.ToLower(rand.Text()[:12])
	}
	p := &progress{began: time.Now(), size: sizeOf(cmd.InOrStdin()), line: terminal.NewLine(cmd.ErrOrStderr()), quiet: chosen.quiet}
	defer p.line.Clear()
	p.errs = p.line.Above(terminal.Safely(cmd.ErrOrStderr()))
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(p.errs, "sluice: each line that you type is a record; Ctrl-D ends it")
	}
	if p.out = cmd.OutOrStdout(); terminal.Is(p.out) {
		p.out = p.line.Above(p.out)
	}
	totals, err := bulk.Run(cmd.Context(), bulk.Config{
		Publish: func(ctx context.Context, batch []client.Message) ([]client.Result, error) {
			ctx, cancel := context.WithTimeout(ctx, all.timeout)
			defer cancel()
			return c.PublishBatch(ctx, stream, batch)
		},
		Form: form, IDPrefix: prefix, OwnIDs: chosen.idPrefix != "" || chosen.idField != "",
		From: chosen.from, AtOnce: chosen.concurrency, RetryFor: chosen.retryFor, MaxRefused: chosen.refused,
		Report: p.report, Retrying: p.retrying, Pause: backoff.Sleep, Now: time.Now,
	}, cmd.InOrStdin())
	p.line.Clear()
	switch {
	case err == nil && totals.Refused == 0 && totals.Unknown == 0:
		if p.line != nil {
			fmt.Fprintf(p.errs, "sluice: %s\n", p.summary(totals))
		}
		return nil
	case err == nil && totals.Unknown == 0:
		return fmt.Errorf("%w: %s", errIncomplete, p.summary(totals))
	case err == nil:
		err = errors.New("it is unknown whether all lines are stored")
	}
	var next string
	if totals.WithoutIDs {
		next = "the stream takes no message ids, so that a line that may be stored can be stored twice"
	} else if form.IDField != "" {
		next = fmt.Sprintf("to go on: --resume-from %d", totals.Line+1)
	} else {
		next = fmt.Sprintf("to go on: --id-prefix %s --resume-from %d", prefix, totals.Line+1)
	}
	return fmt.Errorf("%w; %s; %s", advised(err), p.summary(totals), next)
}

// placeOf reads the value of a flag that is a path, "" for none.
func placeOf(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return show.ParsePlace(text)
}

// progress shows what becomes of lines.
type progress struct {
	began     time.Time
	size      int64 // of the file in bytes, 0 if that is not known
	line      *terminal.Line
	out, errs io.Writer
	quiet     bool
	plain     bool // it is said that the stream takes no ids
	// until is until when an outage is not said again, in Unix nanoseconds.
	until atomic.Int64
}

// sayAgain is how often an outage is said.
const sayAgain = 10 * time.Second

func (p *progress) retrying(line int, err error, wait time.Duration) {
	now, until := time.Now(), p.until.Load()
	if now.UnixNano() < until || !p.until.CompareAndSwap(until, now.Add(sayAgain).UnixNano()) {
		return
	}
	fmt.Fprintf(p.errs, "sluice: line %d %s (%v), trying again in %s\n", line, became(err), err, terminal.Span(wait))
}

func (p *progress) report(outcomes []bulk.Outcome, totals bulk.Totals) error {
	var out, errs bytes.Buffer
	remark(&errs, outcomes)
	for _, o := range outcomes {
		if o.Err != nil {
			out.WriteString("-\n")
			continue
		}
		fmt.Fprintln(&out, place(o.At))
	}
	if totals.WithoutIDs && !p.plain {
		p.plain = true
		errs.WriteString("sluice: the stream takes no message ids: a line whose answer is lost is not sent again\n")
	}
	if errs.Len() > 0 {
		_, _ = p.errs.Write(errs.Bytes())
	}
	if !p.quiet {
		if _, err := p.out.Write(out.Bytes()); err != nil {
			return err
		}
	}
	p.line.Show(func() string {
		done := ""
		if p.size > 0 {
			part := float64(totals.Read) / float64(p.size)
			done = terminal.Bar(part) + ", "
			if left := terminal.Left(part, time.Since(p.began)); left != "" {
				done += left + ", "
			}
		}
		return fmt.Sprintf("%sline %d, %s", done, totals.Line, p.summary(totals))
	})
	return nil
}

// remark says which lines are not stored, or may not be. Lines that follow one another for the
// same reason are said together.
func remark(errs io.Writer, outcomes []bulk.Outcome) {
	for i := 0; i < len(outcomes); {
		first := outcomes[i]
		last := first
		for i++; first.Err != nil && i < len(outcomes) && outcomes[i].Err != nil && outcomes[i].Err.Error() == first.Err.Error() &&
			became(outcomes[i].Err) == became(first.Err); i++ {
			last = outcomes[i]
		}
		switch {
		case first.Err == nil:
		case first.Line == last.Line:
			fmt.Fprintf(errs, "sluice: line %d %s: %s\n", first.Line, became(first.Err), why(first.Err))
		default:
			fmt.Fprintf(errs, "sluice: lines %d to %d: each %s: %s\n", first.Line, last.Line, became(first.Err), why(first.Err))
		}
	}
}

// why returns the reason of an error without what is said before it: that a line is not stored.
func why(err error) string {
	return strings.TrimPrefix(err.Error(), client.ErrNotStored.Error()+": ")
}

// summary says in words what has become of the lines. How fast is said of those that are stored: what is
// refused here is as fast as this machine.
func (p *progress) summary(t bulk.Totals) string {
	text := fmt.Sprintf("%d stored, %d refused", t.Stored, t.Refused)
	if stored := t.Stored + t.Before; stored > 0 {
		text += fmt.Sprintf(", %.0f a second", float64(stored)/max(time.Since(p.began).Seconds(), 0.001))
	}
	if t.Before > 0 {
		text += fmt.Sprintf(", %d stored before", t.Before)
	}
	if t.Unsent > 0 {
		text += fmt.Sprintf(", %d not stored", t.Unsent)
	}
	if t.Unknown > 0 {
		text += fmt.Sprintf(", %d may be stored", t.Unknown)
	}
	if t.Retries > 0 {
		text += fmt.Sprintf(", %d sent again", t.Retries)
	}
	return text
}

// sizeOf returns the size of a file, 0 for what is none.
func sizeOf(in io.Reader) int64 {
	file, ok := in.(*os.File)
	if !ok {
		return 0
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}
