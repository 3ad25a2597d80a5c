package transport

import (
	"io"
	"testing"
	"time"
)

// talker is a connection of a client that sends left bytes and ends.
type talker struct{ left, reads int }

func (c *talker) Read(p []byte) (int, error) {
	c.reads++
	if c.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), c.left)
	c.left -= n
	return n, nil
}

func (*talker) SetReadDeadline(time.Time) error                 { return nil }
func (*talker) Close() error                                    { return nil }
func (*talker) Try([][]byte) (int, error)                       { return 0, nil }
func (*talker) WriteAll([]byte, time.Duration, time.Time) error { return nil }
func (*talker) Finish(time.Duration)                            {}
func (*talker) Abort()                                          {}

// TestTalkOnEventStreams: unexpected input from the client of an event stream is
// skipped at little cost, and the end after it is detected.
func TestTalkOnEventStreams(t *testing.T) {
	t.Parallel()
	for _, said := range []int{0, 1, 16, 17, 16 + 4<<10, 1 << 20} {
		c := &talker{left: said}
		s := &session{dialect: eventStream{}, conn: c, out: c}
		s.state.Store(again) // no executor runs it
		s.tellEnded()
		s.listen()
		if most := 4 + said/1024; c.left > 0 || c.reads > most {
			t.Errorf("%d bytes: %d are left after %d reads, want none after at most %d", said, c.left, c.reads, most)
		}
	}
}
