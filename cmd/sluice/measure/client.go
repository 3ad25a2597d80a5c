package measure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// connectWithin bounds the time from the begin of a connection to the begin of its subscription.
const connectWithin = 30 * time.Second

// subscriber is one client.
type subscriber struct {
	run   *run
	shard *shard
	// got are the numbers of the records of the run that it has. Guarded by the shard's mutex.
	got numbers
	// begun is set once it has subscribed, left once its connection is lost. Guarded by the
	// shard's mutex.
	begun, left bool
}

var errNotBegun = errors.New("the connection ended before the subscription began")

// subscribe connects and counts what arrives, until the context ends or the connection is lost.
func (s *subscriber) subscribe(ctx context.Context) {
	began := time.Now()
	// The connection is cut off if the subscription does not begin in time.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(connectWithin, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	read := s.run.config.reader()
	active := false
	err := read(ctx, s.run, func(message []byte) error {
		now := time.Now()
		switch k, code := kindOf(message); k {
		case event:
			s.event(message, now)
		case gap:
			s.gap()
		case begun:
			if !active {
				active = true
				late.Stop()
				s.shard.mu.Lock()
				s.begun = true
				s.shard.mu.Unlock()
				s.run.tally.connected(now.Sub(began))
			}
		case fault:
			return errors.New(code)
		}
		return nil
	})
	switch {
	case active && ctx.Err() != nil: // the run is over
	case active:
		s.shard.mu.Lock()
		s.left = true
		s.shard.lost++
		s.shard.mu.Unlock()
		s.run.tally.fault("lost: " + reason(err))
	case err == nil:
		s.run.tally.refused(reason(errNotBegun))
	case context.Cause(ctx) == nil || errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		s.run.tally.refused(reason(err))
	}
}

// reader returns how clients read: until an error, or that of take.
func (c *Config) reader() func(ctx context.Context, r *run, take func([]byte) error) error {
	if c.Transport == SSE {
		return readSSE
	}
	return readWebSocket
}

// reason shortens an error, so that equal faults of different clients count as one.
func reason(err error) string {
	if err == nil {
		return "end of stream"
	}
	// Addresses of sockets differ: what follows them is what happened.
	text := err.Error()
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		text = wrapped.Err.Error()
	}
	if i := strings.LastIndex(text, "->"); i >= 0 {
		if _, after, ok := strings.Cut(text[i:], ": "); ok {
			text = after
		}
	}
	return text
}

// event counts a record.
func (s *subscriber) event(message []byte, now time.Time) {
	number, due, own := findStamp(message, s.run.stamp)
	open := s.run.open.Load()
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if own {
		if !s.got.add(number) {
			s.shard.repeated++
			return
		}
		s.shard.records++
		record(s.shard.own, time.Duration(now.UnixNano()-due))
		return
	}
	if !open {
		return
	}
	s.shard.records++
	if ms, ok := findTime(message); ok {
		took := time.Duration(now.UnixMilli()-ms) * time.Millisecond
		if took < 0 {
			s.shard.ahead++
		}
		record(s.shard.others, took)
	}
}

func (s *subscriber) gap() {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if s.run.open.Load() {
		s.shard.gaps++
	}
}

// refusal returns the error of a response that refuses a connection.
func refusal(status int, body []byte) error {
	if code := gjson.GetBytes(body, "code").Str; code != "" {
		return errors.New(code)
	}
	return fmt.Errorf("%d %s", status, http.StatusText(status))
}
