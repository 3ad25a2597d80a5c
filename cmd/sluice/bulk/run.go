package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sluice/transport/client"
)

// Config configures a Run. Every function is required.
type Config struct {
	// Publish sends records in one request, as client.Client.PublishBatch does.
	Publish func(context.Context, []client.Message) ([]client.Result, error)
	Form    Form
	// IDPrefix begins the message ids of lines that have none themselves: line 7 has
	// IDPrefix-7. OwnIDs says that the user wants the ids: they are never left out.
	IDPrefix string
	OwnIDs   bool
	// From is the first line that is sent.
	From int
	// AtOnce is how many requests there are at most at the same time.
	AtOnce int
	// RetryFor bounds how long a batch is sent again.
	RetryFor time.Duration
	// MaxRefused is how many lines may be refused before the run stops; negative for any
	// number.
	MaxRefused int
	// Report is called with the outcomes of lines, in their order, and the totals so far.
	Report func([]Outcome, Totals) error
	// Retrying is called before the wait for another attempt, with the first line of it, from
	// several goroutines.
	Retrying func(line int, err error, wait time.Duration)
	// Pause waits for a time, and reports false if the context has ended.
	Pause func(context.Context, time.Duration) bool
	Now   func() time.Time
}

// ErrRefused ends a run with more refused lines than it may have.
var ErrRefused = errors.New("too many lines are refused")

// Run publishes the lines of a file. The error says why it has stopped before the end of the
// file; lines that are refused are only counted. When the context ends, requests that are sent
// are still answered.
func Run(ctx context.Context, c Config, file io.Reader) (Totals, error) {
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &sender{Config: &c, ids: &ids{wanted: c.OwnIDs}}
	pending, ended := s.start(reading, ctx, stop, file)
	var (
		totals  Totals
		stopped error
	)
	for b := range pending {
		<-b.done
		totals.Retries, totals.WithoutIDs = s.retries.Load(), s.ids.refused()
		totals.take(b)
		err := errors.Join(c.Report(b.outcomes, totals), b.err)
		if err == nil && c.MaxRefused >= 0 && totals.Refused > int64(c.MaxRefused) {
			err = fmt.Errorf("%w: %d", ErrRefused, totals.Refused)
		}
		if err != nil && stopped == nil {
			stopped = err
			stop(err)
		}
	}
	if err := <-ended; stopped == nil {
		stopped = err
	}
	return totals, stopped
}

// start reads batches and sends them, until the context of reading ends, of which the cause is
// then the error. The batches come in their order.
func (s *sender) start(reading, sending context.Context, stop context.CancelCauseFunc, file io.Reader) (<-chan *batch, <-chan error) {
	pending := make(chan *batch, s.AtOnce-1)
	ended := make(chan error, 1)
	batches, end := s.read(reading, file)
	go func() {
		defer close(pending)
		free := make(chan struct{}, s.AtOnce)
		for {
			select {
			case free <- struct{}{}:
			case <-reading.Done():
			}
			var b *batch
			select {
			case b = <-batches:
			case err := <-end:
				ended <- err
				return
			case <-reading.Done():
			}
			if reading.Err() != nil {
				ended <- context.Cause(reading)
				return
			}
			go func() {
				s.send(sending, b)
				if b.err != nil {
					stop(b.err)
				}
				<-free
			}()
			pending <- b
		}
	}()
	return pending, ended
}

// read makes batches. A read of a terminal or a pipe cannot be interrupted: its goroutine stays
// behind if the context ends meanwhile, which is when the process is about to.
func (s *sender) read(ctx context.Context, file io.Reader) (<-chan *batch, <-chan error) {
	batches, end := make(chan *batch), make(chan error, 1)
	go func() {
		r := newReader(s.Config, file)
		for {
			b, err := r.next(ctx)
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			switch {
			case errors.Is(err, io.EOF):
				end <- nil
				return
			case err != nil:
				end <- err
				return
			}
		}
	}()
	return batches, end
}
