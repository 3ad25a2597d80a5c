package clients

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/bench/check"
)

// EndKey is the key of the end record, the last record in each partition: a client
// that has all of them has everything.
const EndKey = "end"

// begin adds the next connection to the journal.
func (s *Subscriber) begin(l lane, low, high check.Position) *check.Connection {
	s.low, s.high = low.Clone(), high.Clone()
	clear(s.pending)
	conn := s.Journal.Connect(l.at, low, high)
	conn.RightEnds, conn.From = l.until, s.origin()
	return conn
}

// receive records an event.
func (s *Subscriber) receive(conn *check.Connection, m *Message) error {
	if m.Stream != s.Stream || m.Partition < 0 || int(m.Partition) >= s.partitions {
		return fmt.Errorf("%w: a record of stream %q, partition %d", errProtocol, m.Stream, m.Partition)
	}
	conn.Receive(m.Partition, m.Entry(), time.UnixMilli(m.Written))
	s.low[m.Partition], s.high[m.Partition] = m.Offset+1, m.Offset+1
	if string(m.Key) == EndKey {
		s.done[m.Partition] = true
	}
	return nil
}

func (s *Subscriber) gap(conn *check.Connection, m *Message) {
	gap := check.Gap{Partition: m.Partition, From: m.From, To: m.To, Reason: strings.Clone(m.Reason)}
	if m.Partition >= 0 && int(m.Partition) < s.partitions {
		gap.After = len(conn.Got[m.Partition])
		if gap.Reason == check.TruncatedReason {
			// Offsets from there on are assigned anew.
			s.low[m.Partition], s.high[m.Partition] = m.From, m.From
		}
	}
	conn.Gaps = append(conn.Gaps, gap)
}

// told records that the server ends or refuses something, and reports whether the
// instance is leaving.
func (s *Subscriber) told(m *Message, text []byte) (leaving bool) {
	code := m.Code
	if code == "" {
		code = m.Reason
	}
	s.Codes[strings.Clone(code)]++
	if code == "draining" {
		if s.opened {
			s.Told++
		}
		return true
	}
	if !s.Rough || !passing[code] {
		s.remark(fmt.Sprintf("%s: %s", m.Kind, text))
	}
	return false
}

// show passes a message to Watch, and pauses if Rest asks for it.
func (s *Subscriber) show(ctx context.Context, m *Message) {
	if s.Watch != nil {
		s.Watch(m)
	}
	if s.Rest == nil {
		return
	}
	if d := s.Rest(); d > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
}
