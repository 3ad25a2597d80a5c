package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"sluice/bench/check"
)

// transport is how a subscriber is connected.
type transport string

const (
	overSSE transport = "sse"
	overWS  transport = "ws"
)

// resume is how a subscriber says where it was.
type resume string

const (
	// byCursor: the last cursor it was sent; over SSE, as Last-Event-ID.
	byCursor resume = "cursor"
	// bySeen: the same, with what it has received since.
	bySeen resume = "seen"
	// byName: a named cursor, which it moves by acks.
	byName resume = "name"
)

// subscriber keeps a subscription alive until it has the record that ends each
// partition, and journals what it receives.
type subscriber struct {
	name       string
	over       transport
	by         resume
	stream     string
	partitions int
	token      string
	instances  []*instance
	// first is connected to first; nil is any.
	first *instance
	// cutEvery is the mean number of bytes between cuts; 0 is never.
	cutEvery float64

	journal check.Journal
	done    []bool
	// remarks are what the server did that the test did not cause.
	remarks []string
	// leaving is set where an instance is stopped by the test: being told so,
	// and the end of the connection after it, is no remark.
	leaving bool
	// watch is shown every message, over either transport, before it counts.
	// It runs in the subscriber's goroutine, and may be nil.
	watch func(*message)
	// told counts how often it was told that an instance is leaving, and left
	// holds the status that each such connection was closed with, over
	// WebSocket.
	told int
	left []websocket.StatusCode
	// opened is set once the connection at hand has a session.
	opened bool

	// Where it is in the stream. The two are equal, but after a resume by name
	// until the first record of a partition.
	low, high check.Position

	// The cursor to resume from, and what it stands for.
	cursor                string
	cursorLow, cursorHigh check.Position

	// What is stored under its name lies between the position of the last
	// acked cursor and that of the last one sent.
	acked, sent check.Position
	pending     map[string]check.Position
}

func newSubscriber(name string, over transport, by resume, stream string, partitions int) *subscriber {
	zero := make(check.Position, partitions)
	return &subscriber{
		name: name, over: over, by: by, stream: stream, partitions: partitions,
		journal: check.Journal{Subscriber: name}, done: make([]bool, partitions),
		low: zero.Clone(), high: zero.Clone(), cursorLow: zero.Clone(), cursorHigh: zero.Clone(),
		acked: zero.Clone(), sent: zero.Clone(), pending: make(map[string]check.Position),
	}
}

// run connects again and again until everything is there or the context ends.
func (s *subscriber) run(ctx context.Context) error {
	for {
		at := s.instances[rand.IntN(len(s.instances))]
		if s.first != nil && len(s.journal.Connections) == 0 {
			at = s.first
		}
		var cut int64
		if s.cutEvery > 0 {
			cut = 1 + int64(rand.ExpFloat64()*s.cutEvery)
		}
		var err error
		s.opened = false
		if s.over == overSSE {
			err = s.runSSE(ctx, at, cut)
		} else {
			err = s.runWS(ctx, at, cut)
		}
		if s.complete() {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s has received %d records and not all, after %d connections: %w (%w)",
				s.name, s.journal.Received(), len(s.journal.Connections), ctx.Err(), err)
		}
		wait := time.Duration(10+rand.IntN(50)) * time.Millisecond
		if !errors.Is(err, errCut) {
			s.ended(err)
			wait *= 5
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (s *subscriber) complete() bool {
	for _, done := range s.done {
		if !done {
			return false
		}
	}
	return true
}

// ended takes down that a connection ended, which the test did not cut.
func (s *subscriber) ended(err error) {
	// Who comes back to the one that leaves is turned away, without a session
	// that could be told anything, or finds that it has just left.
	var refused *statusError
	turnedAway := errors.As(err, &refused) && refused.status == http.StatusServiceUnavailable || !s.opened
	if s.leaving && (errors.Is(err, errLeft) || errors.Is(err, syscall.ECONNREFUSED) || turnedAway) {
		return
	}
	s.remark(fmt.Sprint(err))
}

// errLeft is the end of a connection to an instance that said that it leaves.
var errLeft = errors.New("the instance left")

func (s *subscriber) remark(what string) {
	if len(s.remarks) < 10 {
		s.remarks = append(s.remarks, what)
	}
}

// place is the text of where it resumes, empty for the beginning, and the
// position that this stands for.
func (s *subscriber) place() (text string, low, high check.Position) {
	switch {
	case s.by == byName:
		return "", s.acked, s.sent
	case s.by == byCursor || s.cursor == "":
		return s.cursor, s.cursorLow, s.cursorHigh
	}
	var seen []string
	for p, next := range s.low {
		if next > 0 {
			seen = append(seen, fmt.Sprintf("%d:%d", p, next))
		}
	}
	if len(seen) == 0 {
		return s.cursor, s.cursorLow, s.cursorHigh
	}
	return s.cursor + "~" + strings.Join(seen, ","), s.low, s.high
}

// begin opens the journal's next connection.
func (s *subscriber) begin(at *instance, low, high check.Position) *check.Connection {
	s.low, s.high = low.Clone(), high.Clone()
	return s.journal.Connect(at.addr, low, high)
}

// receive takes an event down.
func (s *subscriber) receive(conn *check.Connection, m *message) error {
	if m.stream != s.stream || m.partition < 0 || int(m.partition) >= s.partitions {
		return fmt.Errorf("a record of stream %q, partition %d", m.stream, m.partition)
	}
	conn.Receive(m.partition, m.entry())
	s.low[m.partition], s.high[m.partition] = m.offset+1, m.offset+1
	if string(m.key) == endKey {
		s.done[m.partition] = true
	}
	return nil
}

// save keeps a cursor, which stands for all that has been received.
func (s *subscriber) save(cursor string) {
	s.cursor = strings.Clone(cursor)
	copy(s.cursorLow, s.low)
	copy(s.cursorHigh, s.high)
}

func (s *subscriber) show(m *message, ok bool) {
	if ok && s.watch != nil {
		s.watch(m)
	}
}

func (s *subscriber) gap(conn *check.Connection, m *message) {
	conn.Gaps = append(conn.Gaps, check.Gap{Partition: m.partition, From: m.from, To: m.to, Reason: strings.Clone(m.reason)})
}

func (s *subscriber) runSSE(ctx context.Context, at *instance, cut int64) error {
	lastID, low, high := s.place()
	stream, err := openSSE(ctx, sseRequest{
		addr: at.addr, stream: s.stream, query: url.Values{"from": {"earliest"}}, token: s.token, lastID: lastID, cutAfter: cut,
	})
	if err != nil {
		return err
	}
	defer stream.close()
	conn := s.begin(at, low, high)
	left, ready := false, false
	for !s.complete() {
		event, err := stream.next()
		if err != nil && left {
			return errLeft
		}
		if err != nil {
			return err
		}
		m, ok := parse(event.data)
		s.show(&m, ok)
		ready = ready || event.name == "sluice.ready"
		switch {
		case event.name == "sluice.cursor":
		case !ok:
			return fmt.Errorf("an event with the data %q", event.data)
		case event.name == "":
			if err := s.receive(conn, &m); err != nil {
				return err
			}
		case event.name == "sluice.gap":
			s.gap(conn, &m)
		case event.name == "sluice.close" && m.code == "draining":
			if ready {
				s.told++
			}
			left = true
		case event.name == "sluice.close":
			s.remark(fmt.Sprintf("sluice.close: %s", event.data))
		}
		if event.newID {
			s.save(event.id)
		}
	}
	return nil
}

func (s *subscriber) runWS(ctx context.Context, at *instance, cut int64) error {
	session, err := openWS(ctx, wsRequest{addr: at.addr, token: s.token, cutAfter: cut, inMessage: rand.IntN(2) == 0})
	if err != nil {
		return err
	}
	defer session.close()
	cursor, low, high := s.place()
	subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": s.stream, "from": "earliest"}
	if cursor != "" {
		subscribe["from"] = cursor
	}
	if s.by == byName {
		subscribe["cursor_name"] = s.name
	}
	if err := session.send(ctx, subscribe); err != nil {
		return err
	}
	var conn *check.Connection
	left := false
	for !s.complete() {
		text, err := session.next(ctx)
		if err != nil && left {
			s.left = append(s.left, websocket.CloseStatus(err))
			return errLeft
		}
		if err != nil {
			return err
		}
		m, ok := parse(text)
		if !ok {
			return fmt.Errorf("a message %q", text)
		}
		s.show(&m, ok)
		if conn == nil && (m.kind == "event" || m.kind == "cursor" || m.kind == "caught_up" || m.kind == "gap") {
			return fmt.Errorf("%s before subscribed", m.kind)
		}
		switch m.kind {
		case "event":
			err = s.receive(conn, &m)
		case "subscribed":
			conn = s.begin(at, low, high)
			s.save(m.cursor)
		case "cursor", "caught_up":
			s.save(m.cursor)
			err = s.ack(ctx, session)
		case "acked":
			if position, ok := s.pending[m.cursor]; ok {
				s.acked = position
				delete(s.pending, m.cursor)
			}
		case "gap":
			s.gap(conn, &m)
		case "closing", "unsubscribed", "error":
			if m.kind == "closing" && m.code == "draining" {
				s.told++
				left = true
				continue
			}
			s.remark(fmt.Sprintf("%s: %s", m.kind, text))
			if conn == nil && m.kind == "error" {
				return fmt.Errorf("the subscription is refused: %s", m.code)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ack moves the named cursor to the last cursor received.
func (s *subscriber) ack(ctx context.Context, session *wsSession) error {
	if s.by != byName {
		return nil
	}
	s.pending[s.cursor] = s.cursorLow.Clone()
	s.sent = s.cursorHigh.Clone()
	return session.send(ctx, map[string]any{"type": "ack", "id": "a", "cursor": s.cursor})
}
