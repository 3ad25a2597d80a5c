package transport

import (
	"context"
	"runtime/debug"
	"time"
)

// reclaimEvery is how often the server checks for a completed wave of clients.
const reclaimEvery = time.Second

// reclaimer finds the time to return to the system the memory that clients took
// while they connected, which is more than they keep: requests, handshakes, the
// stacks of the goroutines that served them. The garbage collector would free it
// only after as much memory again has been allocated, which with idle clients never
// happens.
type reclaimer struct {
	wave            int // number of clients that make a wave
	seen, reclaimed int // sessions at the last look, and at the last reclaim
}

// look is called at an interval with the number of sessions. It reports whether a
// wave has come in and is over.
func (r *reclaimer) look(sessions int) bool {
	calm := sessions == r.seen
	r.seen = sessions
	r.reclaimed = min(r.reclaimed, sessions)
	if !calm || sessions-r.reclaimed < r.wave {
		return false
	}
	r.reclaimed = sessions
	return true
}

// reclaim returns memory to the system after waves of clients, until the context
// ends.
func (s *Server) reclaim(ctx context.Context) {
	var r reclaimer
	tick := time.NewTicker(reclaimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r.wave = s.limits().ReclaimAfter; r.wave > 0 && r.look(s.sessions.len()) {
				debug.FreeOSMemory()
			}
		}
	}
}
