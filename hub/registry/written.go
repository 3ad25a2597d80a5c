package registry

import (
	"sync"
	"time"
)

// written is a schema that values were written with, by its id.
type written struct {
	id    uint32
	since time.Time     // when a value with it was first met
	done  chan struct{} // closed when the others are set

	kind    Kind
	decoder decoder // nil for values that are JSON
	bytes   int
	err     error     // why it cannot be used
	until   time.Time // with err, when it is asked for again
}

// settled reports whether it is known what the schema is, or that there is none.
func (w *written) settled() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// ids are the schemas by id: those that are known, those that cannot be used, and those that
// are awaited.
type ids struct {
	mu      sync.RWMutex
	bounds  Bounds
	all     map[uint32]*written
	awaited []*written // in the order in which they are asked for
	bytes   int
	asked   chan struct{} // has room for one
}

func newIDs(bounds Bounds) *ids {
	return &ids{bounds: bounds, all: make(map[uint32]*written), asked: make(chan struct{}, 1)}
}

// limit sets other bounds.
func (s *ids) limit(b Bounds) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bounds = b
}

// known returns a schema that is settled, or nil.
func (s *ids) known(id uint32) *written {
	s.mu.RLock()
	w := s.all[id]
	s.mu.RUnlock()
	if w == nil || !w.settled() {
		return nil
	}
	return w
}

// meet returns a schema, which is asked for if it is not known. It returns nil if too many
// are awaited.
func (s *ids) meet(id uint32, now time.Time) *written {
	s.mu.RLock()
	w := s.all[id]
	s.mu.RUnlock()
	if w != nil && !w.over(now) {
		return w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w = s.all[id]; w != nil && !w.over(now) {
		return w
	}
	if len(s.awaited) >= s.bounds.Awaited {
		return nil
	}
	w = &written{id: id, since: now, done: make(chan struct{})}
	s.all[id] = w
	s.awaited = append(s.awaited, w)
	select {
	case s.asked <- struct{}{}:
	default:
	}
	return w
}

// over reports whether a schema that could not be used is to be asked for again.
func (w *written) over(now time.Time) bool {
	return w.settled() && w.err != nil && now.After(w.until)
}

// next returns the schema to ask for next, nil for none.
func (s *ids) next() *written {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.awaited) == 0 {
		return nil
	}
	return s.awaited[0]
}

// last makes the schema that is asked for next the last one.
func (s *ids) last() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited = append(s.awaited[1:], s.awaited[0])
}

// settle makes known what was set in the schema that is asked for next.
func (s *ids) settle(w *written) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited = s.awaited[1:]
	s.bytes += w.bytes
	close(w.done)
	for _, refused := range []bool{true, false} {
		for id, other := range s.all { // in random order
			if len(s.all) <= s.bounds.Schemas && s.bytes <= s.bounds.Bytes {
				return
			}
			if other != w && other.settled() && (other.err != nil) == refused {
				delete(s.all, id)
				s.bytes -= other.bytes
			}
		}
	}
}

// count returns how many schemas are known, cannot be used, and are awaited.
func (s *ids) count() (known, refused, awaited int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, w := range s.all {
		switch {
		case !w.settled():
			awaited++
		case w.err != nil:
			refused++
		default:
			known++
		}
	}
	return known, refused, awaited
}
