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
	// OverPages requests page after page, with a long poll.
	OverPages Transport = "pages"
)

// Subscriber keeps a subscription alive until it has the end record of each
// partition, and keeps a journal of what it receives. Its fields are set before Run,
// and read after it.
type Subscriber struct {
	Name   string
	Over   Transport
	By     Resume
	Stream string
	// Keys, unless empty, is the filter. EndKey is always part of it.
	Keys  []string
	Token string
	// Renew, unless nil, makes a token for each connection, in place of Token.
	// Records received after until are a fault; zero means no bound.
	Renew func() (token string, until time.Time)
	// Addrs are the addresses to connect to, chosen at random; First, unless empty,
	// is used for the first connection.
	Addrs []string
	First string
	// CutEvery is the mean number of bytes between cuts; 0 means never.
	CutEvery float64
	// Idle is how long a connection may be silent before it is considered dead; 0
	// means forever.
	Idle time.Duration
	// Rest, unless nil, is called after each message and returns how long to read
	// nothing. The connection's buffers are small then.
	Rest func() time.Duration
	// Leaving is set if the test stops an instance: a message that announces it, and
	// the end of the connection after it, are not remarks.
	Leaving bool
	// Rough is set if servers come and go: the end of a connection is not a remark,
	// nor is a request to come back later.
	Rough bool
	// Forgotten, unless nil, returns how often named cursors were lost so far. If
	// nothing is stored under its name, a subscriber with a name continues at its
	// cursor; it is a remark if names were not lost.
	Forgotten func() uint64
	// Watch is called with every message, over any transport, before it is recorded.
	// It runs in the subscriber's goroutine, and may be nil.
	Watch func(*Message)
	// Broke is called for each connection that the subscriber did not end itself,
	// and may be nil.
	Broke func(error)

	Journal check.Journal
	// Remarks are actions of the server that the test did not cause.
	Remarks []string
	// Told counts the messages that an instance is leaving, and Left has the status
	// with which each such connection was closed, over WebSocket.
	Told int
	Left []websocket.StatusCode
	// Codes counts the codes received.
	Codes map[string]int

	partitions int
	done       []bool
	opened     bool // whether the current connection has a session
	position
}

// NewSubscriber returns a subscriber that begins at the beginning of the stream.
func NewSubscriber(name string, over Transport, by Resume, stream string, partitions int) *Subscriber {
	return &Subscriber{
		Name: name, Over: over, By: by, Stream: stream, partitions: partitions,
		Journal: check.Journal{Subscriber: name}, done: make([]bool, partitions),
		Codes: make(map[string]int), position: newPosition(partitions),
	}
}

// Run connects repeatedly until everything is received or the context ends.
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

// connect runs one connection.
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

// lane are the parameters of a connection.
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

// errLeft is the end of a connection to an instance that announced that it leaves.
var errLeft = errors.New("the instance left")

// errProtocol marks violations of the protocol by the server.
var errProtocol = errors.New("against the protocol")

// ended records that a connection ended that the test did not cut.
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
	// A client that connects to the leaving instance again is refused, without a
	// session that could receive a message, or finds that it has just left.
	turnedAway := isRefused && refused.Status == http.StatusServiceUnavailable || !s.opened
	if s.Leaving && (errors.Is(err, errLeft) || errors.Is(err, syscall.ECONNREFUSED) || turnedAway) {
		return
	}
	s.remark(fmt.Sprint(err))
}

// refused records a response without a stream, while servers come and go. A response
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

// passing are the codes that only ask a client to come back, later or with a new
// token. Superseded is among them for a Redis that hangs for a while: a take that
// was given up can be executed after the following one.
var passing = map[string]bool{
	"draining": true, "overloaded": true, "rate_limited": true, "too_many_sessions": true,
	"token_expired": true, "no_pong": true, "slow_consumer": true, "superseded": true,
}

func (s *Subscriber) remark(what string) {
	if len(s.Remarks) < 10 {
		s.Remarks = append(s.Remarks, what)
	}
}

// IsAgainstProtocol reports whether an error of a client is a violation of the
// protocol by the server, rather than a failure to reach it.
func IsAgainstProtocol(err error) bool { return errors.Is(err, errProtocol) }
