package transport

import "time"

const (
	// wheelTick is the resolution of a wheel. All spans of the protocol are a second
	// or more.
	wheelTick = 100 * time.Millisecond
	// wheelSlots times wheelTick is how far ahead a wheel reaches. A session that is
	// due later is looked at then, and put off.
	wheelSlots = 1024
	wheelSpan  = (wheelSlots - 1) * wheelTick
)

// wheel finds the sessions for which something is due, at a cost that depends on
// those alone (Varghese and Lauck, 1987, scheme 6). A session is in the slot of the
// tick at which it is looked at next, linked through its own fields. It is moved to
// an earlier slot at once, but to a later one only when it is looked at: nearly
// everything that a session does postpones what is due.
//
// The worker's lock guards it.
type wheel struct {
	slots [wheelSlots]*session
	now   int64 // the tick up to which the wheel was turned
}

// tickOf returns the first tick at which due has come.
func tickOf(due monotime) int64 { return (int64(due) + int64(wheelTick) - 1) / int64(wheelTick) }

// put makes the wheel look at a session when it is due, or as far ahead as the wheel
// reaches.
func (w *wheel) put(s *session, due monotime) {
	tick := min(max(tickOf(due), w.now+1), w.now+wheelSlots-1)
	if s.place.tick == tick {
		return
	}
	w.drop(s)
	head := &w.slots[tick%wheelSlots]
	s.place = wheelPlace{next: *head, tick: tick}
	if *head != nil {
		(*head).place.prev = s
	}
	*head = s
}

// drop removes a session.
func (w *wheel) drop(s *session) {
	if s.place.tick == 0 {
		return
	}
	if s.place.prev != nil {
		s.place.prev.place.next = s.place.next
	} else {
		w.slots[s.place.tick%wheelSlots] = s.place.next
	}
	if s.place.next != nil {
		s.place.next.place.prev = s.place.prev
	}
	s.place = wheelPlace{}
}

// turn appends to due the sessions for which something is due by now.
func (w *wheel) turn(now monotime, due []*session) []*session {
	to := int64(now) / int64(wheelTick)
	before := len(due)
	// After a long pause each slot is looked at once.
	for w.now = max(w.now, to-wheelSlots); w.now < to; {
		w.now++
		for s := w.slots[w.now%wheelSlots]; s != nil; {
			next := s.place.next
			w.drop(s)
			if at := monotime(s.due.Load()); at <= now {
				due = append(due, s)
			} else {
				w.put(s, at)
			}
			s = next
		}
	}
	// A session returns to its slot when it schedules what is due next; if it does
	// not, it is looked at again. This follows the loop, because a long turn would
	// otherwise find a session twice.
	for _, s := range due[before:] {
		w.put(s, now.Add(wheelSpan))
	}
	return due
}
