package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// residentOf returns the resident memory of a process, in bytes.
func residentOf(t *testing.T, s *stack.Server) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// flat checks that memory does not grow over an outage: samples taken at regular
// intervals must not go far above the value before it, and the last third of them
// must not be above the second.
func flat(t *testing.T, before int64, samples []int64) {
	t.Helper()
	const mebibyte = 1 << 20
	third := len(samples) / 3
	if third < 10 {
		t.Fatalf("%d samples of memory show nothing", len(samples))
	}
	mean := func(of []int64) (sum int64) {
		for _, n := range of {
			sum += n
		}
		return sum / int64(len(of))
	}
	first, middle, last := mean(samples[:third]), mean(samples[third:2*third]), mean(samples[2*third:])
	t.Logf("memory: %d MiB before, then %d, %d and %d", before/mebibyte, first/mebibyte, middle/mebibyte, last/mebibyte)
	if last > before+32*mebibyte {
		t.Errorf("memory grew from %d to %d MiB", before/mebibyte, last/mebibyte)
	}
	if last > middle+4*mebibyte {
		t.Errorf("memory grows: from %d to %d MiB in a third of the outage", middle/mebibyte, last/mebibyte)
	}
}

// comers are clients that connect, subscribe and leave, one after the other.
type comers struct {
	stop context.CancelFunc
	done sync.WaitGroup
	n    atomic.Int64
}

// startComers runs such clients over either transport until end is called.
func startComers(ctx context.Context, t *testing.T, i *instance, stream string) *comers {
	t.Helper()
	c := &comers{}
	ctx, c.stop = context.WithCancel(ctx)
	bearer := token(t, "comer", "reader")
	c.done.Go(func() {
		for pause(ctx, 20*time.Millisecond) {
			events, err := clients.OpenEvents(ctx, clients.EventsRequest{Addr: i.addr, Stream: stream, Query: url.Values{"from": {"last:5"}}, Token: bearer})
			if err == nil {
				_, err = events.Next()
				events.Close()
			}
			c.note(ctx, t, err)
		}
	})
	c.done.Go(func() {
		for pause(ctx, 20*time.Millisecond) {
			session, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: i.addr, Token: bearer})
			if err == nil {
				if err = session.Send(ctx, map[string]any{"type": "subscribe", "id": "a", "stream": stream}); err == nil {
					_, err = session.Next(ctx)
				}
				session.Close()
			}
			c.note(ctx, t, err)
		}
	})
	t.Cleanup(func() { c.end() })
	return c
}

func (c *comers) note(ctx context.Context, t *testing.T, err error) {
	var refused *clients.StatusError
	if err != nil && ctx.Err() == nil && !errors.As(err, &refused) {
		t.Errorf("a client that comes is told %v", err)
	}
	c.n.Add(1)
}

// end stops them and returns how many there were.
func (c *comers) end() int64 {
	c.stop()
	c.done.Wait()
	return c.n.Load()
}

// health has the responses of readyz with their times.
type health struct {
	stop context.CancelFunc
	done sync.WaitGroup
	said []answer
}

type answer struct {
	at  time.Time
	err error
}

// watchHealth polls whether an instance is ready.
func watchHealth(ctx context.Context, i *instance) *health {
	h := &health{}
	ctx, h.stop = context.WithCancel(ctx)
	h.done.Go(func() {
		for pause(ctx, 50*time.Millisecond) {
			if err := i.ready(ctx); ctx.Err() == nil {
				h.said = append(h.said, answer{time.Now(), err})
			}
		}
	})
	return h
}

func (h *health) end() {
	h.stop()
	h.done.Wait()
}

// since returns when the instance was first not ready, from a time on, and since
// when it has been ready again.
func (h *health) since(struck time.Time) (told, well time.Time) {
	for _, said := range h.said {
		if said.at.Before(struck) {
			continue
		}
		switch {
		case said.err == nil && well.IsZero():
			well = said.at
		case said.err != nil:
			well = time.Time{}
			if told.IsZero() {
				told = said.at
			}
		}
	}
	if told.IsZero() {
		well = time.Time{}
	}
	return told, well
}
