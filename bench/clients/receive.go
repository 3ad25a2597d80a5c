package clients

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/bench/check"
)

// EndKey is the key of the record that is written last into each partition:
// whoever has all of them has everything.
const EndKey = "end"

// begin opens the journal's next connection.
func (s *Subscriber) begin(l lane, low, high check.Position) *check.Connection {
	s.low, s.high = low.Clone(), high.Clone()
	clear(s.pending)
	conn := s.Journal.Connect(l.at, low, high)
	conn.RightEnds = l.until
	return conn
}

// receive takes an event down.
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
			// Offsets from there on are given out anew.
			s.low[m.Partition], s.high[m.Partition] = m.From, m.From
		}
	}
	conn.Gaps = append(conn.Gaps, gap)
}

// told takes down that the server ends something, or refuses it, and says
// whether it is leaving.
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

// show hands a message to whoever watches, and rests.
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
