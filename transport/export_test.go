package transport

import (
	"errors"
	"time"

	"sluice/auth"
	"sluice/transport/socket"
)

// WithoutPoller makes the server wait for each connection in a goroutine, as on
// systems without a poller. It is for bubbles of testing/synctest, which cannot see
// through a poller.
func (s *Server) WithoutPoller() {
	s.newPoller = func() (*socket.Poller, error) { return nil, errors.ErrUnsupported }
}

// SessionsOf returns the ids of a principal's open sessions, by its key.
func (s *Server) SessionsOf(key string) []string {
	return s.visited(func(p *auth.Principal) bool { return p.Key() == key })
}

// Within has the executors of a principal's sessions call a function, and waits for them.
func (s *Server) Within(key string, f func()) {
	s.visitSessions(func(p *auth.Principal) bool { return p.Key() == key }, func(x *session) {
		x.do(func(*session, *scratch) { f() })
	})
}

// SessionsRevokedBy returns the ids of the open sessions whose credentials a revocation names.
func (s *Server) SessionsRevokedBy(r auth.Revocation) []string {
	return s.visited(func(p *auth.Principal) bool { return p.RevokedBy(r) })
}

func (s *Server) visited(fits func(*auth.Principal) bool) (ids []string) {
	s.visitSessions(fits, func(x *session) { ids = append(ids, x.id) })
	return ids
}

// Held returns how many sessions wait until their sockets are writable, and how many
// bytes one of them holds until then at most.
func (s *Server) Held() (stuck, most int) {
	for _, x := range s.sessions.all() {
		// In this state nobody else uses the backlog.
		if !x.state.CompareAndSwap(stalled, running) {
			continue
		}
		if x.backlog != nil {
			stuck++
			most = max(most, cap(x.backlog.bytes))
		}
		x.state.Store(stalled)
		x.resume() // what was missed meanwhile
	}
	return stuck, most
}

// Stall makes new records seem to wait for a worker until each worker has delivered a feed.
func (w *Workers) Stall(waits time.Duration) {
	for _, worker := range w.all {
		worker.mu.Lock()
		worker.lag = lag{last: waits, at: monotimeNow().Add(time.Hour)}
		worker.mu.Unlock()
	}
}

// TakeAllTurns takes all turns of handlers to look through records.
func (s *Server) TakeAllTurns() (release func()) {
	for range cap(s.takers) {
		s.takers <- struct{}{}
	}
	return func() {
		for range cap(s.takers) {
			<-s.takers
		}
	}
}

// OperatorRoutes returns the routes of operators, as METHOD PATH below adminPrefix, and
// whether each is for operators without a tenant only, and whether it changes something.
func (s *Server) OperatorRoutes() (all []OperatorRoute) {
	for _, r := range s.operatorRoutes() {
		all = append(all, OperatorRoute{r.method, r.path, r.whole, r.acts, r.named, r.elsewhere})
	}
	return all
}

// OperatorRoute is a route of operators.
type OperatorRoute struct {
	Method, Path                  string
	Whole, Acts, Named, Elsewhere bool
}

// Unread returns how many sessions have a publish that waits for another one.
func (s *Server) Unread() (n int) {
	for _, x := range s.sessions.all() {
		if x.unread.Load() {
			n++
		}
	}
	return n
}
