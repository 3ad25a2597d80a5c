package clients

import (
	"fmt"
	"strings"

	"sluice/bench/check"
)

// Resume is how a subscriber says where it was.
type Resume string

// The ways to resume.
const (
	// ByCursor: the last cursor it was sent; over SSE, as Last-Event-ID.
	ByCursor Resume = "cursor"
	// BySeen: the same, with what it has received since.
	BySeen Resume = "seen"
	// ByName: a named cursor, which it moves by acks, or for pages with PUT.
	ByName Resume = "name"
	// ByPong: a named cursor, which the server moves as pongs come. Over
	// WebSocket only.
	ByPong Resume = "pong"
)

// position is where a subscriber is in its stream.
type position struct {
	// The two are equal, but after a resume by name until the first record of
	// a partition.
	low, high check.Position

	// The cursor to resume from, and what it stands for.
	cursor                string
	cursorLow, cursorHigh check.Position

	// What is stored under its name lies between the position of the last
	// acked cursor and the furthest of all sent. The last ack was confirmed
	// when names had been forgotten so often; ever is set once there was one.
	acked, sent check.Position
	ever        bool
	forgotten   uint64
	pending     map[string]ack
}

// ack is one that is on its way: the position that it stands for, and how often
// names had been forgotten when it was sent.
type ack struct {
	at        check.Position
	forgotten uint64
}

func newPosition(partitions int) position {
	zero := make(check.Position, partitions)
	return position{
		low: zero.Clone(), high: zero.Clone(), cursorLow: zero.Clone(), cursorHigh: zero.Clone(),
		acked: zero.Clone(), sent: zero.Clone(), pending: make(map[string]ack),
	}
}

// StartAt lets a subscriber that has not run yet begin at a cursor, which stands
// for a position.
func (s *Subscriber) StartAt(cursor string, at check.Position) {
	s.cursor = cursor
	copy(s.cursorLow, at)
	copy(s.cursorHigh, at)
}

// named says whether it resumes under a name.
func (s *Subscriber) named() bool { return s.By == ByName || s.By == ByPong }

// Place is the text of where it resumes, empty for the beginning, and the
// position that this stands for.
func (s *Subscriber) Place() (text string, low, high check.Position) {
	switch {
	case s.named():
		return s.namedPlace()
	case s.By == ByCursor || s.cursor == "":
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

// namedPlace is where it is under its name. Who knows that names can be lost
// says with its cursor where it goes on then.
func (s *Subscriber) namedPlace() (text string, low, high check.Position) {
	low, high = s.acked, s.sent
	if s.By == ByPong {
		raise(s.sent, s.high)
	}
	if s.Forgotten == nil {
		return "", low, high
	}
	if s.Forgotten() != s.forgotten {
		// An ack that was on its way then may be stored alone.
		low = make(check.Position, s.partitions)
	}
	high = high.Clone()
	raise(high, s.cursorHigh)
	return s.cursor, low, high
}

// fallen is told that the name had nothing, so that the subscription starts at
// the cursor, or at the beginning without one.
func (s *Subscriber) fallen() (low, high check.Position) {
	if s.ever && s.Forgotten() == s.forgotten {
		s.remark("the named cursor is lost, and nobody took it")
	}
	return s.cursorLow, s.cursorHigh
}

// save keeps a cursor, which stands for all that has been received.
func (s *Subscriber) save(cursor string) {
	s.cursor = strings.Clone(cursor)
	copy(s.cursorLow, s.low)
	copy(s.cursorHigh, s.high)
}

// sending notes that an ack of the last cursor is about to be sent.
func (s *Subscriber) sending() {
	s.pending[s.cursor] = ack{s.cursorLow.Clone(), s.losses()}
	raise(s.sent, s.cursorHigh)
}

// confirmed notes that the ack of a cursor is stored.
func (s *Subscriber) confirmed(cursor string) {
	if ack, ok := s.pending[cursor]; ok {
		s.acked, s.ever, s.forgotten = ack.at, true, ack.forgotten
		delete(s.pending, cursor)
	}
}

// losses is how often named cursors were lost so far.
func (s *Subscriber) losses() uint64 {
	if s.Forgotten == nil {
		return 0
	}
	return s.Forgotten()
}

// raise moves a position forward to where another one is further.
func raise(p, to check.Position) {
	for i := range p {
		p[i] = max(p[i], to[i])
	}
}
