package bulk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"sluice/transport/client"
)

const (
	// batchLines and batchBytes bound what is sent with one request. The server may allow
	// less, and then gets less.
	batchLines = 500
	batchBytes = 32 << 10
)

// batch is what is sent with one request.
type batch struct {
	lines    []item
	bytes    int
	read     int64 // bytes of the file, up to its end
	last     int   // the number of the last line that was read for it
	outcomes []Outcome
	err      error // why nothing after the batch is to be sent
	done     chan struct{}
}

// item is a line that can be sent.
type item struct {
	number  int
	message client.Message
	// last is the error of the last attempt; unknown is set once one may have stored the record.
	last    error
	unknown bool
}

// reader makes batches of lines.
type reader struct {
	config *Config
	in     *bufio.Reader
	number int
	read   int64
}

func newReader(c *Config, file io.Reader) *reader {
	return &reader{config: c, in: bufio.NewReaderSize(file, 64<<10)}
}

// next returns the next batch; the error is io.EOF after the last one, and comes with a batch.
func (r *reader) next(ctx context.Context) (*batch, error) {
	b := &batch{done: make(chan struct{})}
	for {
		if err := ctx.Err(); err != nil {
			return b, err
		}
		line, size, tooLong, err := readLine(r.in)
		if size == 0 && errors.Is(err, io.EOF) {
			b.read, b.last = r.read, r.number
			return b, err // what follows the end of the last line is no line
		}
		if r.number == 0 && !r.config.Form.Text {
			// The byte order mark of a file in UTF-8 is no part of its JSON (RFC 8259, section 8.1).
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		r.number++
		r.read += size
		switch {
		case r.number < r.config.From || len(line) == 0 && !tooLong:
		case tooLong:
			b.refuse(r.number, errLongLine)
		default:
			message, wrong := r.config.Form.message(line)
			if wrong != nil {
				b.refuse(r.number, wrong)
				break
			}
			if message.ID == "" {
				message.ID = fmt.Sprintf("%s-%d", r.config.IDPrefix, r.number)
			}
			b.lines = append(b.lines, item{number: r.number, message: message})
			b.bytes += len(line)
		}
		b.read, b.last = r.read, r.number
		if err != nil && !errors.Is(err, io.EOF) {
			return b, fmt.Errorf("line %d: %w", r.number, err)
		}
		full := len(b.lines) >= batchLines || b.bytes >= batchBytes
		// Refused lines do not wait for others to be reported, either.
		has := len(b.lines) > 0 || len(b.outcomes) > 0
		if err != nil || full || has && !hasLine(r.in) {
			return b, err
		}
	}
}

// refuse notes a line that is not sent.
func (b *batch) refuse(number int, why error) {
	b.outcomes = append(b.outcomes, Outcome{Line: number, Err: fmt.Errorf("%w: %w", client.ErrNotStored, why)})
}
