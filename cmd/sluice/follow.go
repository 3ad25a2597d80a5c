package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

const (
	// ackEvery is how often the server is told what is printed.
	ackEvery = time.Second
	// ackWithin bounds how long tail waits at its end for the server to store the position.
	ackWithin = 5 * time.Second
)

// Why tail stops, beside an interrupt.
var (
	errInterrupted = errors.New("interrupted")
	errEnough      = errors.New("enough records")
	errGone        = errors.New("nobody reads the output")
)

// following tells the server what is printed, and ends the subscription, with a name only once
// the server has stored the last position.
type following struct {
	// reading is the context of the subscription.
	reading context.Context
	cancel  context.CancelFunc
	sub     *client.Subscription
	named   bool
	others  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	busy    bool       // an event is being printed
	cursor  string     // the position after what is printed
	sent    string     // the last one that the server was told
	waiting int        // acks without an answer
	reason  error      // why tail stops, nil if it goes on
	fault   error      // why the position is not stored
}

// follow begins; close ends it.
func follow(ctx context.Context, sub *client.Subscription, named bool, out io.Writer) *following {
	f := &following{sub: sub, named: named}
	f.reading, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.others.Go(func() {
		if terminal.Gone(f.reading, out) {
			f.stop(errGone)
		}
	})
	f.others.Go(func() {
		tick := time.NewTicker(ackEvery)
		defer tick.Stop()
		for interrupted := ctx.Done(); ; {
			select {
			case <-interrupted:
				interrupted = nil
				f.stop(errInterrupted)
			case <-f.reading.Done():
				return
			case <-tick.C:
				// One that fails goes with the next one.
				_ = f.ack()
			}
		}
	})
	return f
}

func (f *following) close() {
	f.cancel()
	f.others.Wait()
}

// printed says that everything that the loop has received is printed.
func (f *following) printed() {
	cursor := f.sub.Cursor()
	f.mu.Lock()
	f.busy, f.cursor = false, cursor
	over := f.reason != nil
	f.mu.Unlock()
	if over {
		f.finish()
	}
}

// ack tells the server what is printed, if it does not know.
func (f *following) ack() error {
	f.mu.Lock()
	cursor := f.cursor
	if !f.named || cursor == "" || cursor == f.sent {
		f.mu.Unlock()
		return nil
	}
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.reading, ackWithin)
	defer cancel()
	// Counted before, as the answer can be faster.
	f.count(1)
	if err := f.sub.AckAt(ctx, cursor); err != nil {
		f.count(-1)
		return err
	}
	f.mu.Lock()
	f.sent = cursor
	f.mu.Unlock()
	return nil
}

func (f *following) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting += n
}

// stop ends the subscription for a reason, once what is being printed is.
func (f *following) stop(reason error) {
	f.mu.Lock()
	if f.reason != nil {
		f.mu.Unlock()
		return
	}
	f.reason = reason
	busy := f.busy
	f.mu.Unlock()
	// What is being printed belongs to what is stored.
	if !busy {
		f.finish()
	}
}

// finish ends the subscription, with a name only once the server has stored the last position.
func (f *following) finish() {
	err := f.ack()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault = err; err != nil || f.waiting == 0 {
		f.cancel()
		return
	}
	f.others.Go(func() {
		select {
		case <-f.reading.Done():
		case <-time.After(ackWithin):
			f.lost(errors.New("the server has not answered"))
		}
	})
}

// lost ends the subscription without the server's word that the position is stored.
func (f *following) lost(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = err
	f.cancel()
}

// ending reports whether tail is about to end, so that the event is not printed.
func (f *following) ending(event client.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch e := event.(type) {
	case client.Acked:
		if f.waiting--; f.waiting <= 0 && f.reason != nil {
			f.cancel()
		}
	case client.Disconnected:
		// The answers are lost, and what the server was told perhaps as well.
		f.waiting, f.sent = 0, ""
		if f.reason != nil {
			f.fault = e.Err
			f.cancel()
		}
	}
	f.busy = f.reason == nil
	return f.reason != nil
}

// stopped reports whether the subscription has ended because tail is to.
func (f *following) stopped() bool { return f.reading.Err() != nil && f.why() != nil }

// why returns why tail stops, nil if it goes on.
func (f *following) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason
}

// failed returns why the position is not stored, nil if it is.
func (f *following) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == nil {
		return nil
	}
	return fmt.Errorf("store the position: %w: the next run may print the last records again", f.fault)
}
