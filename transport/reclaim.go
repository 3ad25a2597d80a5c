package transport

import (
	"context"
	"runtime/debug"
	"time"
)

// reclaimEvery is how often it is looked whether a wave of clients has come in.
const reclaimEvery = time.Second

// reclaimer finds the time to give back to the system what clients took while
// they came in, which is more than they keep: requests, handshakes, the stacks
// of what was done for them. The collector would come to it only when as much
// again has been allocated, which with idle clients is never.
type reclaimer struct {
	wave            int // how many clients make a wave
	seen, reclaimed int // sessions at the last look, and at the last reclaim
}

// look is told how many sessions there are, every so often. It reports whether
// a wave has come in and is over.
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

// reclaim gives memory back after waves of clients, until the context ends.
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
