package audit

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// refusedMost bounds how many addresses, codes, principals and reasons are told apart
	// in a second. Refusals past it are summed up by code alone.
	refusedMost = 4096
	// reasonsMost bounds how many reasons are told apart of one address, code and
	// principal.
	reasonsMost = 8
	// publishedMost bounds how many sums of publishes are kept. When it is reached, all
	// of them become events at once.
	publishedMost = 4096
)

// refuser is who is refused, and the code.
type refuser struct{ address, code, principal string }

// refusedKey is what refusals have in common that become one event.
type refusedKey struct {
	refuser
	// message and cause are empty for all reasons past reasonsMost.
	message, cause string
}

// publishedKey is what publishes have in common that become one event.
type publishedKey struct{ address, principal, stream string }

// sums holds events that are to be one event.
type sums struct {
	mu        sync.Mutex
	refused   map[refusedKey]*summed[Refused]
	reasons   map[refuser]int             // how many of refused
	others    map[string]*summed[Refused] // by code
	published map[publishedKey]*summed[Published]
}

// summed is an event and its time, which is that of the first that was added.
type summed[E any] struct {
	event E
	at    time.Time
}

func newSums() *sums {
	return &sums{
		refused:   make(map[refusedKey]*summed[Refused]),
		reasons:   make(map[refuser]int),
		others:    make(map[string]*summed[Refused]),
		published: make(map[publishedKey]*summed[Published]),
	}
}

// refuse adds a refusal.
func (s *sums) refuse(e Refused, at time.Time) {
	by := refuser{e.Address, e.Code, e.Principal}
	key := refusedKey{by, oneLine(e.Message, maxText), oneLine(e.Cause, maxText)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[key] == nil && s.reasons[by] >= reasonsMost {
		e.Message, e.Cause = "", ""
		key = refusedKey{refuser: by}
	}
	if same := s.refused[key]; same != nil {
		same.event.Count += e.Count
		return
	}
	if len(s.refused) < refusedMost {
		s.refused[key] = &summed[Refused]{e, at}
		s.reasons[by]++
		return
	}
	if same := s.others[e.Code]; same != nil {
		same.event.Count += e.Count
		return
	}
	s.others[e.Code] = &summed[Refused]{Refused{Code: e.Code, Count: e.Count, Others: true}, at}
}

// publish adds records that were published. If there is no room, it returns all sums
// that were kept.
func (s *sums) publish(e Published, at time.Time) (full []*summed[Published]) {
	key := publishedKey{e.Address, e.Principal, e.Stream}
	s.mu.Lock()
	defer s.mu.Unlock()
	if same := s.published[key]; same != nil {
		same.event.Records += e.Records
		same.event.Unknown += e.Unknown
		return nil
	}
	if len(s.published) >= publishedMost {
		full = inOrder(s.published)
		clear(s.published)
	}
	s.published[key] = &summed[Published]{e, at}
	return full
}

// takeRefused removes the sums of refusals, and returns them in the order of their time.
func (s *sums) takeRefused() []*summed[Refused] {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := append(inOrder(s.refused), inOrder(s.others)...)
	if len(s.refused) > 0 {
		// New ones, as a map does not shrink.
		s.refused, s.others = make(map[refusedKey]*summed[Refused]), make(map[string]*summed[Refused])
		s.reasons = make(map[refuser]int)
	}
	return taken
}

// takePublished removes the sums of publishes, and returns them in the order of their
// time.
func (s *sums) takePublished() []*summed[Published] {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := inOrder(s.published)
	if len(taken) > 0 {
		s.published = make(map[publishedKey]*summed[Published])
	}
	return taken
}

func inOrder[K comparable, E any](of map[K]*summed[E]) []*summed[E] {
	return slices.SortedFunc(maps.Values(of), func(a, b *summed[E]) int { return a.at.Compare(b.at) })
}
