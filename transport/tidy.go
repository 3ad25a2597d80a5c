package transport

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// tidyEvery is how often it is looked whether a wave of clients has come in.
	tidyEvery = time.Second
	// tidyWave is how many clients make a wave: it costs a collection.
	tidyWave = 500
)

// tidier finds the moment to give back what clients took while they came in,
// which is more than they keep: requests, handshakes, the stacks of what was
// done for them. The collector would come to it only when as much again has
// been allocated, which with idle clients is never.
type tidier struct{ seen, tidied int }

// look is told how many sessions there are, every so often. It reports whether
// a wave has come in and is over.
func (t *tidier) look(sessions int) bool {
	calm := sessions == t.seen
	t.seen = sessions
	t.tidied = min(t.tidied, sessions)
	if !calm || sessions-t.tidied < tidyWave {
		return false
	}
	t.tidied = sessions
	return true
}

// tidy gives memory back after waves of clients, until the context ends.
func (s *Server) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	var t tidier
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if t.look(s.sessions.len()) {
				debug.FreeOSMemory()
			}
		}
	}
}
