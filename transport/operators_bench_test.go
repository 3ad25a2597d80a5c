package transport

import (
	"crypto/rand"
	"testing"

	"sluice/transport/wire"
)

// BenchmarkSessionsAfter chooses a page of 100,000 sessions for an operator, of which
// nobody but who opens or ends a session has to wait for a part.
func BenchmarkSessionsAfter(b *testing.B) {
	s := &Server{sessions: newSessionSet()}
	for range 100_000 {
		s.sessions.add(&session{id: "s_" + rand.Text()})
	}
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			if page, total, more := s.sessionsAfter(wire.ListQuery{Limit: maxSessions}, operator{}); len(page) != maxSessions || total != 100_000 || !more {
				b.Fatal(len(page), total, more)
			}
		}
	})
	b.Run("the lock", func(b *testing.B) {
		for b.Loop() {
			_ = s.sessions.all()
		}
	})
}
