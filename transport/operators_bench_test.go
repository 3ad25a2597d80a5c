package transport

import (
	"crypto/rand"
	"testing"

	"sluice/transport/wire"
)

// BenchmarkSessionsPage chooses a page of 100,000 sessions for an operator, of which
// nobody but who opens or ends a session has to wait for a part.
func BenchmarkSessionsPage(b *testing.B) {
	s := &Server{sessions: newSessionSet()}
	for range 100_000 {
		s.sessions.add(&session{id: "s_" + rand.Text()})
	}
	for _, order := range sessionOrders {
		b.Run(order.name, func(b *testing.B) {
			for b.Loop() {
				page, fault := s.sessionsPage(b.Context(), wire.ListQuery{Limit: maxSessions, Order: order.name}, operator{})
				if fault != nil || len(page.sessions) != maxSessions || page.total != 100_000 || !page.more {
					b.Fatal(fault, len(page.sessions), page.total)
				}
			}
		})
	}
	b.Run("the lock", func(b *testing.B) {
		for b.Loop() {
			_ = s.sessions.all()
		}
	})
}
