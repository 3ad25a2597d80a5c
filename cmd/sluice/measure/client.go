package measure

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"sluice/hub/backoff"
	"sluice/transport/client"
)

const (
	// connectWithin bounds the time from the begin of a connection to the begin of its subscription.
	connectWithin = 30 * time.Second
	// The n-th attempt to come back is after up to minBackoff·2ⁿ, at most maxBackoff, in addition to what
	// the server asks for.
	minBackoff = client.DefaultMinBackoff
	maxBackoff = 5 * time.Second
)

// subscriber is one client.
type subscriber struct {
	run   *run
	shard *shard
	// token is the client's, nil for none.
	token func(context.Context) (string, error)
	// position is owned by the goroutine of the client.
	position position
	// got are the numbers of the records of the run that it has. Guarded by the shard's mutex.
	got numbers
	// begun is set once it has subscribed, away while it has no connection after that, gone once it
	// does not come back. Guarded by the shard's mutex.
	begun, away, gone bool
}

var errNotBegun = errors.New("the connection ended before the subscription began")

// subscribe connects and counts what arrives, and comes back when the connection is lost, until the
// context ends or there is no sense in coming back.
func (s *subscriber) subscribe(ctx context.Context) {
	since := time.Now() // when it began to have no connection
	for attempt := 0; ; attempt++ {
		connected, err := s.connect(ctx, since)
		if ctx.Err() != nil { // the run is over
			return
		}
		end := endingOf(err)
		switch {
		case connected > 0:
			since = time.Now()
			s.lost(end)
			if connected > maxBackoff {
				attempt = 0
			}
		case !s.hasBegun():
			s.run.refused(err, end)
			return
		default:
			s.run.tally.fault("coming back: "+end.code, end.message)
		}
		if end.void {
			s.void()
		}
		// A server that was reached has what keeps it from being reached mended, such as a certificate.
		if end.stop && client.Unreachable(err) == nil {
			s.leave()
			return
		}
		wait := end.after
		if !errors.Is(err, errMoved) { // the server has spread its clients already
			wait += rand.N(min(maxBackoff, minBackoff<<min(attempt, 10)) + 1) //nolint:gosec // nothing secret depends on it
		}
		if !backoff.Sleep(ctx, wait) {
			return
		}
	}
}

// connect has one connection, and returns for how long it was subscribed, and why it ended. since is
// since when the client has no connection.
func (s *subscriber) connect(ctx context.Context, since time.Time) (connected time.Duration, err error) {
	// The connection is cut off if the subscription does not begin in time.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(connectWithin, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	var began time.Time
	read := s.run.config.reader()
	err = read(ctx, s, func(message []byte) error {
		now := time.Now()
		switch k, code := kindOf(message); k {
		case event:
			s.event(message, now)
		case gap:
			s.gap(message)
		case begun:
			s.position.at(cursorOf(message))
			if began.IsZero() {
				began = now
				late.Stop()
				s.begin(now.Sub(since))
			}
		case fault:
			s.position.at(cursorOf(message))
			return endedBy(message, code)
		case drain:
			move := time.AfterFunc(reconnectIn(message), func() { cancel(errMoved) })
			context.AfterFunc(ctx, func() { move.Stop() })
		case welcome:
			s.run.silence.Store(int64(silenceOf(message)))
		default:
			s.position.at(cursorOf(message))
		}
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if began.IsZero() {
		if err == nil {
			err = errNotBegun
		}
		return 0, err
	}
	return max(time.Since(began), 1), err
}

// reader returns how clients read: until an error, or that of take.
func (c *Config) reader() func(ctx context.Context, s *subscriber, take func([]byte) error) error {
	if c.Transport == SSE {
		return readSSE
	}
	return readWebSocket
}

// begin notes that the client has subscribed, at first or again.
func (s *subscriber) begin(took time.Duration) {
	s.shard.mu.Lock()
	again := s.begun
	s.begun, s.away = true, false
	s.shard.mu.Unlock()
	if again {
		s.run.tally.cameBack(took)
	} else {
		s.run.tally.connected(took)
	}
}

func (s *subscriber) hasBegun() bool {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	return s.begun
}

// lost notes that the connection is lost.
func (s *subscriber) lost(end *ended) {
	s.shard.mu.Lock()
	s.away = true
	s.shard.lost++
	s.shard.mu.Unlock()
	s.run.tally.fault("lost: "+end.code, end.message)
}

// void forgets a position that the server does not know any more, which is a gap.
func (s *subscriber) void() {
	s.position = position{several: s.position.several}
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.gaps++
}

// leave notes that the client does not come back.
func (s *subscriber) leave() {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.gone = true
}

// event counts a record.
func (s *subscriber) event(message []byte, now time.Time) {
	number, due, own := findStamp(message, s.run.stamp)
	open := s.run.open.Load()
	news := s.position.event(message)
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if own {
		news = s.got.add(number)
	}
	switch {
	case !news:
		s.shard.repeated++
	case own:
		s.shard.records++
		record(s.shard.own, time.Duration(now.UnixNano()-due))
	case open:
		s.shard.records++
		s.age(message, now)
	}
}

// age counts how old a record of others is.
func (s *subscriber) age(message []byte, now time.Time) {
	ms, ok := findTime(message)
	if !ok {
		return
	}
	took := time.Duration(now.UnixMilli()-ms) * time.Millisecond
	if took < 0 {
		s.shard.ahead++
	}
	record(s.shard.others, took)
}

func (s *subscriber) gap(message []byte) {
	s.position.gap(gapOf(message))
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if s.run.open.Load() {
		s.shard.gaps++
	}
}
