package clients

import (
	"fmt"
	"strings"

	"sluice/bench/check"
)

// Resume is how a subscriber identifies its position.
type Resume string

// The ways to resume.
const (
	// ByCursor: the last cursor received; over SSE, as Last-Event-ID.
	ByCursor Resume = "cursor"
	// BySeen: the last cursor, with the offsets received since.
	BySeen Resume = "seen"
	// ByName: a named cursor, moved by acks, or for pages with PUT.
	ByName Resume = "name"
	// ByPong: a named cursor that the server moves when it receives pongs. Only over
	// WebSocket.
	ByPong Resume = "pong"
)

// position is the position of a subscriber in its stream.
type position struct {
	// The two are equal, except after a resume by name until the first record of a
	// partition.
	low, high check.Position

	// The cursor to resume from, and the position that it stands for.
	cursor                string
	cursorLow, cursorHigh check.Position

	// The cursor stored under the name is between the position of the last acked
	// cursor and the furthest of all sent. forgotten is how often names had been
	// lost when the last confirmed ack was sent; ever is set once an ack was
	// confirmed.
	acked, sent check.Position
	ever        bool
	forgotten   uint64
	pending     map[string]ack
	// The cursor of the last confirmed ack, and the one that was stored then, for
	// reports.
	confirms, stored string
}

// ack is an ack in flight: the position that it stands for, and how often names had
// been lost when it was sent.
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

// StartAt makes a subscriber that has not run yet begin at a cursor, which stands
// for a position.
func (s *Subscriber) StartAt(cursor string, at check.Position) {
	s.cursor = cursor
	copy(s.cursorLow, at)
	copy(s.cursorHigh, at)
}

// named reports whether it resumes by a named cursor.
func (s *Subscriber) named() bool { return s.By == ByName || s.By == ByPong }

// Place returns the text of the position that it resumes from, empty for the
// beginning, and the bounds of the position that this stands for; see answered.
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

// namedPlace is Place for a named cursor. A subscriber that knows that names can be
// lost also sends its cursor, as the position to continue from if the name is lost.
func (s *Subscriber) namedPlace() (text string, low, high check.Position) {
	low, high = s.acked, s.sent
	if s.By == ByPong {
		raise(s.sent, s.high)
	}
	if s.Forgotten == nil {
		return "", low, high
	}
	high = high.Clone()
	raise(high, s.cursorHigh)
	return s.cursor, low, high
}

// answered returns the lower bound of the position that Place asked for, once the server
// has answered: if names were lost since the last ack was sent that was confirmed, an ack
// that was in flight at that time may be stored as the only one.
func (s *Subscriber) answered(low check.Position) check.Position {
	if s.named() && s.Forgotten != nil && s.Forgotten() != s.forgotten {
		return make(check.Position, s.partitions)
	}
	return low
}

// fallen records that nothing was stored under the name, so that the subscription
// starts at the cursor, or at the beginning without one.
func (s *Subscriber) fallen() (low, high check.Position) {
	if s.ever && s.Forgotten() == s.forgotten {
		s.remark("the named cursor is lost, and nobody took it")
	}
	return s.cursorLow, s.cursorHigh
}

// origin describes the cursor that it resumes from.
func (s *Subscriber) origin() string {
	if !s.named() {
		return describe(s.cursor)
	}
	return fmt.Sprintf("last acked was %s, and stored %s", describe(s.confirms), describe(s.stored))
}

// save stores a cursor, which stands for all that has been received.
func (s *Subscriber) save(cursor string) {
	s.cursor = strings.Clone(cursor)
	copy(s.cursorLow, s.low)
	copy(s.cursorHigh, s.high)
}

// sending records that an ack of the last cursor is about to be sent.
func (s *Subscriber) sending() {
	s.pending[s.cursor] = ack{s.cursorLow.Clone(), s.losses()}
	raise(s.sent, s.cursorHigh)
}

// confirmed records that the ack of a cursor is stored.
func (s *Subscriber) confirmed(cursor string) {
	if ack, ok := s.pending[cursor]; ok {
		s.acked, s.ever, s.forgotten = ack.at, true, ack.forgotten
		s.confirms, s.stored = strings.Clone(cursor), strings.Clone(cursor)
		delete(s.pending, cursor)
	}
}

// losses returns how often named cursors were lost so far.
func (s *Subscriber) losses() uint64 {
	if s.Forgotten == nil {
		return 0
	}
	return s.Forgotten()
}

// raise moves a position forward to another one, partition by partition.
func raise(p, to check.Position) {
	for i := range p {
		p[i] = max(p[i], to[i])
	}
}
