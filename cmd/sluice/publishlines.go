package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sluice/transport/client"
)

const (
	// lineBytes is the maximum length of a line of standard input, which is one value.
	lineBytes = 8 << 20
	// batchLines and batchBytes bound what is sent with one request. The server may allow
	// less, and then gets less.
	batchLines = 500
	batchBytes = 32 << 10
)

// lines publishes the lines of a file, each as a record. There is one request at a time,
// which keeps the order, with all lines in it that can be read without waiting.
type lines struct {
	publish func([]client.Message) ([]client.Result, error)
	// message makes the record of a line, by its number.
	message func(n int, line []byte) (client.Message, error)
	// pause waits, unless the command is to end.
	pause func(time.Duration)
	out   io.Writer

	numbers []int // of the lines of the batch
	batch   []client.Message
	bytes   int
}

// from publishes the lines of a file. An error names the line that caused it.
func (l *lines) from(file io.Reader) error {
	in := bufio.NewReaderSize(file, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(in)
		if len(line) > 0 {
			m, wrong := l.message(n, line)
			if wrong != nil {
				err = wrong
			} else {
				l.batch, l.numbers = append(l.batch, m), append(l.numbers, n)
				l.bytes += len(line)
			}
		}
		full := len(l.batch) >= batchLines || l.bytes >= batchBytes
		if err != nil || full || !hasLine(in) {
			if failed := l.send(); failed != nil {
				return failed
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// send publishes the batch. Its first line that is not stored is an error.
func (l *lines) send() error {
	numbers, batch := l.numbers, l.batch
	l.numbers, l.batch, l.bytes = l.numbers[:0], l.batch[:0], 0
	return l.sendPart(numbers, batch)
}

func (l *lines) sendPart(numbers []int, batch []client.Message) error {
	if len(batch) == 0 {
		return nil
	}
	results, err := l.publish(batch)
	var refused *client.Error
	// A quota refuses a request as a whole, so that nothing of it is stored yet.
	for errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests && refused.RetryAfter > 0 {
		l.pause(refused.RetryAfter)
		results, err = l.publish(batch)
	}
	if half := len(batch) / 2; half > 0 && errors.As(err, &refused) && refused.Status == http.StatusRequestEntityTooLarge {
		if err := l.sendPart(numbers[:half], batch[:half]); err != nil {
			return err
		}
		return l.sendPart(numbers[half:], batch[half:])
	}
	if err != nil {
		return fmt.Errorf("line %d: the value %s%s: %w", numbers[0], became(err), withIt(err, numbers), err)
	}
	return l.report(numbers, results)
}

// withIt says what has become of the other lines of a batch that has failed as a whole.
func withIt(err error, numbers []int) string {
	last := numbers[len(numbers)-1]
	switch {
	case len(numbers) == 1:
		return ""
	case errors.Is(err, client.ErrMaybeStored):
		return fmt.Sprintf(", and so may any other up to line %d", last)
	}
	return fmt.Sprintf(", nor any other up to line %d", last)
}

// report prints where the lines of a batch are stored.
func (l *lines) report(numbers []int, results []client.Result) error {
	var out bytes.Buffer
	first := -1 // the first that is not stored
	stored, unknown := 0, 0
	for i, r := range results {
		if r.Err == nil {
			fmt.Fprintf(&out, "%d:%d\n", r.Partition, r.Offset)
		} else {
			fmt.Fprintln(&out, "-")
		}
		switch {
		case r.Err != nil && first < 0:
			first = i
		case first < 0:
		case r.Err == nil:
			stored++
		case errors.Is(r.Err, client.ErrMaybeStored):
			unknown++
		}
	}
	if _, err := l.out.Write(out.Bytes()); err != nil {
		return err
	}
	if first < 0 {
		return nil
	}
	sent := ""
	if behind := len(results) - 1 - first; behind > 0 {
		sent = fmt.Sprintf("; of the %d values sent with it up to line %d, %d are stored, %d are not, %d may be",
			behind, numbers[len(numbers)-1], stored, behind-stored-unknown, unknown)
	}
	err := results[first].Err
	return fmt.Errorf("line %d: the value %s: %w%s", numbers[first], became(err), err, sent)
}

// hasLine reports whether a whole line can be read without waiting.
func hasLine(in *bufio.Reader) bool {
	waiting, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

var errLongLine = fmt.Errorf("the line is longer than %d bytes", lineBytes)

// readLine returns the next line without its end. The error is io.EOF after the last one,
// which may lack an end; it can come with a line.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > lineBytes:
			return nil, errLongLine
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), err
	}
}

// pause waits for a time, or until a context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
