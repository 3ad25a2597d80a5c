package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/upstream"
	"sluice/transport/audit"
)

func event(i int) audit.Event {
	return audit.Connected{Client: audit.Client{Principal: "user:a:b", Session: fmt.Sprint(i)}}
}

// sessionsOf returns the sessions of connected events, in order.
func sessionsOf(events []kept) (of []string) {
	for _, e := range only(events, audit.TypeConnected) {
		of = append(of, e.attrs["session"].(string))
	}
	return of
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// TestAFullQueueLosesAndCounts: while a sink takes nothing, Record returns at once and
// events are lost past the queue's bound. They are counted, one line of the log tells of
// the bout, and the sink itself is told how many are missing.
func TestAFullQueueLosesAndCounts(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]struct {
		sink string
		set  func(c *audit.Config, b *book)
		of   func(b *book) *[]kept
	}{
		"stream": {"stream", func(c *audit.Config, _ *book) { c.Log = false }, func(b *book) *[]kept { return &b.stored }},
		"log":    {"log", func(c *audit.Config, _ *book) { c.Stream = "" }, func(b *book) *[]kept { return &b.logged }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &book{held: make(chan struct{})}
				c := config(b)
				c.PublishTimeout = time.Hour
				held.set(&c, b)
				r, stop := run(t, c)
				synctest.Wait() // with the event started, which is held
				began := time.Now()
				for i := range 250 {
					r.Record(event(i))
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("recording has waited %v", took)
				}
				if n := counted(t, r, held.sink, "queue_full"); n != 150 {
					t.Errorf("%d are counted as lost", n)
				}
				close(b.held)
				synctest.Wait()
				kept := b.read(held.of(b))
				if got, want := sessionsOf(kept), numbers(0, 100); !slices.Equal(got, want) {
					t.Errorf("kept are %q", got)
				}
				lost := only(kept, audit.TypeEventsLost)
				if len(lost) != 1 || fmt.Sprint(lost[0].attrs["events"]) != "150" || lost[0].attrs["since"] != began.UTC().Format(time.RFC3339Nano) {
					t.Errorf("the sink was told of %+v", lost)
				}
				if want := []string{"audit events were lost: the queue was full"}; !slices.Equal(b.lines, want) {
					t.Errorf("the log has %q", b.lines)
				}
				// The next bout is told of its own.
				r.Record(event(250))
				stop()
				if got := sessionsOf(b.read(held.of(b))); got[len(got)-1] != "250" {
					t.Errorf("after the bout: %q", got)
				}
				if all, n := len(b.read(held.of(b))), counted(t, r, held.sink, "stored"); n != all {
					t.Errorf("%d are counted as stored, of %d", n, all)
				}
			})
		})
	}
}

// TestTheQueueIsBoundedInBytes: events are lost past that bound too.
func TestTheQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{held: make(chan struct{})}
		c := config(b)
		c.Queue, c.QueueBytes, c.PublishTimeout, c.Log = 1_000_000, 64<<10, time.Hour, false
		r, stop := run(t, c)
		synctest.Wait()
		for range 1000 {
			r.Record(audit.Refused{Message: strings.Repeat("x", 200)})
		}
		kept := 1000 - counted(t, r, "stream", "queue_full")
		if kept < 64<<10/600 || kept > 64<<10/200 {
			t.Errorf("%d events are queued in 64 KiB", kept)
		}
		close(b.held)
		stop()
		if n := len(only(b.stored, audit.TypeRefused)); n != kept {
			t.Errorf("%d of %d are stored", n, kept)
		}
	})
}

// TestALongBoutIsLogged: while events are lost for minutes, the log says so.
func TestALongBoutIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{refuse: func(int) error { return upstream.ErrPublishUnavailable }}
		c := config(b)
		c.Log = false
		r, stop := run(t, c)
		synctest.Wait() // the event started is being stored
		for i := range 200 {
			r.Record(event(i))
		}
		time.Sleep(3*time.Minute + 10*time.Second)
		synctest.Wait()
		b.mu.Lock()
		lines := slices.Clone(b.lines)
		b.mu.Unlock()
		ongoing := 0
		for _, line := range lines {
			if line == "audit events are being lost: the queue is full" {
				ongoing++
			}
		}
		if ongoing != 3 || len(lines) != 4 || lines[0] != "audit events cannot be stored; retrying" {
			t.Errorf("in three minutes the log has %q", lines)
		}
		stop()
	})
}

// TestSinksDoNotWaitForEachOther: the log goes on while the stream takes nothing.
func TestSinksDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{refuse: func(int) error { return upstream.ErrPublishUnavailable }}
		r, stop := run(t, config(b))
		for i := range 1000 {
			r.Record(event(i))
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if got := sessionsOf(b.read(&b.logged)); !slices.Equal(got, numbers(0, 1000)) {
			t.Errorf("the log has %d events", len(got))
		}
		if n := counted(t, r, "log", "queue_full"); n != 0 {
			t.Errorf("the log has lost %d", n)
		}
		stop()
	})
}

// TestWhatIsNotStoredIsStoredAgain: an event that is not stored, or of which that is not
// known, is published again with its id, before later ones; one that Kafka refuses for
// good is counted.
func TestWhatIsNotStoredIsStoredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{
			refuse: func(call int) error {
				if call == 1 {
					return errors.New("the stream does not exist")
				}
				return nil
			},
			verdict: func(call int, e kept) error {
				switch e.attrs["session"] {
				case "3":
					return fmt.Errorf("produce: %w", upstream.ErrPublishRejected)
				case "4":
					return upstream.ErrRecordTooLarge
				case "5":
					if call < 5 {
						return upstream.ErrPublishUnavailable
					}
				case "6":
					if call < 4 {
						return upstream.ErrPublishUnknown
					}
				}
				return nil
			},
		}
		c := config(b)
		c.Log = false
		r, stop := run(t, c)
		for i := range 10 {
			r.Record(event(i))
		}
		time.Sleep(time.Minute)
		r.Record(event(10))
		stop()
		got := sessionsOf(b.stored)
		if want := []string{"0", "1", "2", "6", "7", "8", "9", "6", "6", "5", "10"}; !slices.Equal(got, want) &&
			!slices.Equal(got, []string{"0", "1", "2", "6", "7", "8", "9", "6", "5", "10"}) {
			t.Errorf("stored are %q", got)
		}
		ids := map[string]string{}
		for _, e := range only(b.stored, audit.TypeConnected) {
			session := e.attrs["session"].(string)
			if ids[session] != "" && ids[session] != e.id {
				t.Errorf("event %s has another id the second time", session)
			}
			ids[session] = e.id
		}
		if n := counted(t, r, "stream", "refused"); n != 2 {
			t.Errorf("%d are counted as refused", n)
		}
		if n := counted(t, r, "stream", "stored"); n != 2+11-2 { // with started and stopped
			t.Errorf("%d are counted as stored", n)
		}
		if b.lines[0] != "audit events cannot be stored; retrying" || b.lines[len(b.lines)-1] != "audit events are stored again" {
			t.Errorf("the log has %q", b.lines)
		}
	})
}

// TestBatchesAreBounded: what has waited is stored in few attempts, each within its
// bounds.
func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		c := config(b)
		c.Queue, c.QueueBytes, c.Log = 10_000, 16<<20, false
		r, err := audit.New(c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2000 {
			r.Record(event(i))
		}
		for range 1000 {
			r.Record(audit.Refused{Code: "c", Message: strings.Repeat("x", 256), Cause: strings.Repeat("y", 256), Route: strings.Repeat("z", 256)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if got := sessionsOf(b.stored); !slices.Equal(got, numbers(0, 2000)) {
			t.Errorf("%d events are stored", len(got))
		}
		if most := slices.Max(b.sizes); most > 500 || b.calls > 15 {
			t.Errorf("%d attempts, the largest of %d events", b.calls, most)
		}
		if least := slices.Min(b.sizes[4 : len(b.sizes)-1]); least > 300 {
			t.Errorf("batches of large events have %d", least)
		}
	})
}

// TestTheEndIsBounded: at its end Run stores what waits. What cannot be stored within
// the DrainTimeout is counted as lost, as is what comes later.
func TestTheEndIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{held: make(chan struct{})}
		c := config(b)
		c.Log, c.PublishTimeout = false, time.Hour
		r, stop := run(t, c)
		synctest.Wait()
		for i := range 20 {
			r.Record(event(i))
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took < c.DrainTimeout || took > c.DrainTimeout+2*time.Second {
			t.Errorf("the end has taken %v", took)
		}
		r.Record(event(20))
		if n := counted(t, r, "stream", "shutdown"); n != 20+1+2 {
			t.Errorf("%d are counted as lost at the end", n)
		}
		if want := []string{"audit events cannot be stored; retrying", "audit events were lost: they could not be stored before the end"}; !slices.Equal(b.lines, want) {
			t.Errorf("the log has %q", b.lines)
		}
	})
}

// TestAStoreThatNeverAnswers does not keep Run from ending.
func TestAStoreThatNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		c := config(b)
		c.Log, c.Store = false, silent{}
		r, stop := run(t, c)
		r.Record(event(0))
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took > c.DrainTimeout+2*time.Second {
			t.Errorf("the end has taken %v", took)
		}
		if n := counted(t, r, "stream", "shutdown"); n != 3 {
			t.Errorf("%d are counted as lost at the end", n)
		}
	})
}

// silent is a store that takes messages and never answers.
type silent struct{}

func (silent) Publish(context.Context, string, string, []upstream.Message, func([]upstream.Stored)) error {
	return nil
}

// TestALogThatLeavesOutEvents: what the level of the log suppresses is counted.
func TestALogThatLeavesOutEvents(t *testing.T) {
	t.Parallel()
	c := config(&book{})
	c.Stream, c.Logger = "", slog.New(slog.DiscardHandler)
	r, stop := run(t, c)
	r.Record(event(0))
	stop()
	if n := counted(t, r, "log", "refused"); n != 3 {
		t.Errorf("%d are counted as refused", n)
	}
}
