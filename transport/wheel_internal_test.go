package transport

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestWheel: a session is found at the tick when it is due, never earlier and never
// twice, however often it was moved.
func TestWheel(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	start := monotime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	var w wheel
	w.turn(start, nil)
	sessions := make([]*session, 200)
	for i := range sessions {
		sessions[i] = &session{}
		sessions[i].due.Store(int64(start.Add(rand.N(3 * wheelSpan))))
		w.put(sessions[i], monotime(sessions[i].due.Load()))
	}
	found := 0
	for now := start; now < start.Add(6*wheelSpan); {
		now = now.Add(time.Duration(random.Int64N(int64(3 * wheelTick))))
		if random.IntN(500) == 0 {
			now = now.Add(2 * wheelSpan) // the machine was suspended
		}
		due := w.turn(now, nil)
		for _, s := range due {
			if at := monotime(s.due.Load()); at > now {
				t.Fatalf("found %v early", at.Sub(now))
			}
			found++
			s.due.Store(int64(now.Add(time.Duration(1 + random.Int64N(int64(2*wheelSpan))))))
			w.put(s, monotime(s.due.Load()))
		}
		for _, s := range sessions {
			if at := monotime(s.due.Load()); at.Add(wheelTick) < now {
				t.Fatalf("not found, though it was due %v ago", now.Sub(at))
			}
		}
		switch s := sessions[random.IntN(len(sessions))]; random.IntN(3) {
		case 0: // something is due sooner
			at := now.Add(time.Duration(random.Int64N(int64(time.Second))))
			if at < monotime(s.due.Load()) {
				s.due.Store(int64(at))
				w.put(s, at)
			}
		case 1: // it is postponed without notice to the wheel
			s.due.Store(s.due.Load() + random.Int64N(int64(time.Minute)))
		}
	}
	if found < len(sessions) {
		t.Fatalf("only %d were found", found)
	}
	for _, s := range sessions {
		w.drop(s)
		w.drop(s)
	}
	if i := slices.IndexFunc(w.slots[:], func(s *session) bool { return s != nil }); i >= 0 {
		t.Fatalf("slot %d is not empty", i)
	}
}
