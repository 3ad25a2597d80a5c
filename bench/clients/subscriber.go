package clients

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"sluice/bench/check"
)

// Transport is how a subscriber is connected.
type Transport string

// The transports.
const (
	OverSSE   Transport = "sse"
	OverLines Transport = "ndjson"
	OverWS    Transport = "ws"
	// OverPages asks for page after page, with a long poll.
	OverPages Transport = "pages"
)

// Subscriber keeps a subscription alive until it has the record that ends each
// partition, and journals what it receives. Its fields are set before Run, and
// read after it.
type Subscriber struct {
	Name   string
	Over   Transport
	By     Resume
	Stream string
	// Keys, unless empty, is the filter. EndKey is always part of it.
	Keys  []string
	Token string
	// Renew, unless nil, makes a token for each connection, in place of Token.
	// What comes after until is a fault; zero is no bound.
	Renew func() (token string, until time.Time)
	// Addrs are what it connects to, at random; First, unless empty, comes
	// first.
	Addrs []string
	First string
	// CutEvery is the mean number of bytes between cuts; 0 is never.
	CutEvery float64
	// Idle is how long a connection may be silent before it is taken for dead;
	// 0 is for ever.
	Idle time.Duration
	// Rest, unless nil, is asked after each message for how long to read
	// nothing. The connection's buffers are small then.
	Rest func() time.Duration
	// Leaving is set where an instance is stopped by the test: being told so,
	// and the end of the connection after it, is no remark.
	Leaving bool
	// Rough is set where servers come and go: the end of a connection is no
	// remark, nor is being told to come back later.
	Rough bool
	// Forgotten, unless nil, tells how often named cursors were lost so far. A
	// subscriber with a name goes on at its cursor then, where the name has
	// nothing, and it is a remark if they were not.
	Forgotten func() uint64
	// Watch is shown every message, over any transport, before it counts. It
	// runs in the subscriber's goroutine, and may be nil.
	Watch func(*Message)
	// Broke is told of each connection that it had not ended itself, and may
	// be nil.
	Broke func(error)

	Journal check.Journal
	// Remarks are what the server did that the test did not cause.
	Remarks []string
	// Told counts how often it was told that an instance is leaving, and Left
	// holds the status that each such connection was closed with, over
	// WebSocket.
	Told int
	Left []websocket.StatusCode
	// Codes counts what it was told, by code.
	Codes map[string]int

	partitions int
	done       []bool
	opened     bool // whether the connection at hand has a session
	position
}

// NewSubscriber returns a subscriber that begins at the beginning.
func NewSubscriber(name string, over Transport, by Resume, stream string, partitions int) *Subscriber {
	return &Subscriber{
		Name: name, Over: over, By: by, Stream: stream, partitions: partitions,
		Journal: check.Journal{Subscriber: name}, done: make([]bool, partitions),
		Codes: make(map[string]int), position: newPosition(partitions),
	}
}

// Run connects again and again until everything is there or the context ends.
func (s *Subscriber) Run(ctx context.Context) error {
	for {
		err := s.connect(ctx)
		if s.complete() {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s has received %d records and not all, after %d connections, and is at %v: %w (%w)",
				s.Name, s.Journal.Received(), len(s.Journal.Connections), s.low, ctx.Err(), err)
		}
		wait := time.Duration(10+rand.IntN(50)) * time.Millisecond
		if !errors.Is(err, ErrCut) {
			if s.Broke != nil {
				s.Broke(err)
			}
			s.ended(err)
			wait *= 5
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// connect has one connection.
func (s *Subscriber) connect(ctx context.Context) error {
	at := s.Addrs[rand.IntN(len(s.Addrs))]
	if s.First != "" && len(s.Journal.Connections) == 0 {
		at = s.First
	}
	wire := Wire{Idle: s.Idle, Narrow: s.Rest != nil}
	if s.CutEvery > 0 {
		wire.CutAfter = 1 + int64(rand.ExpFloat64()*s.CutEvery)
	}
	token, until := s.Token, time.Time{}
	if s.Renew != nil {
		token, until = s.Renew()
	}
	s.opened = false
	run := s.runWS
	switch s.Over {
	case OverSSE:
		run = s.runSSE
	case OverLines:
		run = s.runLines
	case OverPages:
		run = s.runPages
	case OverWS:
	}
	return run(ctx, lane{at: at, wire: wire, token: token, until: until})
}

// lane is what a connection is made with.
type lane struct {
	at    string
	wire  Wire
	token string
	until time.Time
}

func (s *Subscriber) complete() bool {
	for _, done := range s.done {
		if !done {
			return false
		}
	}
	return true
}

// errLeft is the end of a connection to an instance that said that it leaves.
var errLeft = errors.New("the instance left")

// errProtocol marks what no server may say.
var errProtocol = errors.New("against the protocol")

// ended takes down that a connection ended, which the test did not cut.
func (s *Subscriber) ended(err error) {
	var refused *StatusError
	isRefused := errors.As(err, &refused)
	if s.Rough {
		switch {
		case errors.Is(err, errProtocol):
			s.remark(fmt.Sprint(err))
		case isRefused:
			s.refused(refused)
		}
		return
	}
	// Who comes back to the one that leaves is turned away, without a session
	// that could be told anything, or finds that it has just left.
	turnedAway := isRefused && refused.Status == http.StatusServiceUnavailable || !s.opened
	if s.Leaving && (errors.Is(err, errLeft) || errors.Is(err, syscall.ECONNREFUSED) || turnedAway) {
		return
	}
	s.remark(fmt.Sprint(err))
}

// refused judges an answer in place of a stream, while servers come and go. One
// without a code is that of a proxy.
func (s *Subscriber) refused(e *StatusError) {
	m, _ := Parse([]byte(e.Body))
	code := strings.Clone(m.Code)
	if code == "" {
		code = fmt.Sprint("status ", e.Status)
	}
	s.Codes[code]++
	if !passing[code] && (m.Code != "" || e.Status < http.StatusInternalServerError) {
		s.remark(e.Error())
	}
}

// passing are the codes that only say: come back, later or with a new token.
// Superseded is among them where Redis hangs for a while: a take that was given
// up can be done after the one that came next.
var passing = map[string]bool{
	"draining": true, "overloaded": true, "rate_limited": true, "too_many_sessions": true,
	"token_expired": true, "no_pong": true, "slow_consumer": true, "superseded": true,
}

func (s *Subscriber) remark(what string) {
	if len(s.Remarks) < 10 {
		s.Remarks = append(s.Remarks, what)
	}
}

// IsAgainstProtocol says whether an error of a client is something that no
// server may say, rather than that it could not be reached.
func IsAgainstProtocol(err error) bool { return errors.Is(err, errProtocol) }
