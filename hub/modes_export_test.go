package hub

import (
	"fmt"
	"slices"
	"sync"
)

func init() {
	impossible = func(s *Subscription, t trigger) {
		panic("hub: a subscription that is " + s.mode.String() + " cannot change its mode on " + t.String())
	}
}

// Transition is a change of mode, in words.
type Transition struct{ From, On, To string }

// Transitions returns the table.
func Transitions() (all []Transition) {
	for from := range modes {
		for on := range triggers {
			if to := nextMode[from][on]; to != modeStarting {
				all = append(all, Transition{mode(from).String(), trigger(on).String(), to.String()})
			}
		}
	}
	return all
}

// WithoutReason lists the transitions of the table that have no reason.
func WithoutReason() (all []string) {
	for _, t := range transitions {
		if t.why == "" || len(t.from) != len(t.to) {
			all = append(all, fmt.Sprintf("%v on %v to %v", t.from, t.on, t.to))
		}
	}
	return all
}

// WatchTransitions has changed called on every change of mode. It must be called
// before the first subscription.
func (h *Hub) WatchTransitions(changed func(Transition)) {
	h.moved = func(_ *Subscription, from mode, on trigger, to mode) {
		changed(Transition{from.String(), on.String(), to.String()})
	}
}

// Mode returns the name of the subscription's mode.
func (s *Subscription) Mode() string { return s.mode.String() }

// WatchSteps checks each step of each subscription against the doc comment of the
// table: if another step follows, the step has added a pending gap or made the
// measure smaller, unless the log has moved meanwhile. It must be called before the
// first subscription.
func (h *Hub) WatchSteps(fault func(string)) {
	type state struct {
		mode    mode
		world   world
		measure [6]uint64
	}
	var mu sync.Mutex
	last := make(map[*Subscription]state)
	h.stepping = func(s *Subscription, steps int) {
		// The log can move during the measurement.
		world := s.world()
		now := state{s.mode, world, s.measure()}
		for again := s.world(); again != world; again = s.world() {
			world, now = again, state{s.mode, again, s.measure()}
		}
		mu.Lock()
		was := last[s]
		if last[s] = now; s.mode == modeEnded {
			delete(last, s)
		}
		mu.Unlock()
		if steps > 0 && s.mode != modeEnded && was.world == world && now.measure[5] <= was.measure[5] && slices.Compare(now.measure[:], was.measure[:]) >= 0 {
			fault(fmt.Sprintf("a step from %v to %v comes no nearer: %v, then %v", was.mode, now.mode, was.measure, now.measure))
		}
	}
}

func (s *Subscription) pendingGaps() int {
	if s.pending == nil {
		return 0
	}
	return s.pending.gaps.len() - s.pending.delivered
}

// measure returns the tuple of the doc comment of transitions, with the number of
// pending gaps as the last element.
func (s *Subscription) measure() (m [6]uint64) {
	floor, tip, f := s.log.floor(), s.log.tip.Load(), s.conflation
	if s.index > 0 && s.index < floor.base {
		m[0]++
	}
	if f != nil && !f.until.Covers(floor.start) {
		m[0]++
	}
	switch {
	case s.mode == modeBehind:
		m[1] = 3
	case s.mode.scanning():
		m[1] = 2
	case s.mode.conflating():
		m[1] = 1
	}
	precedes := false
	switch {
	case s.own == nil:
	case s.own.Topic != floor.start.Topic:
		m[2] = 1
	default:
		unproven, _ := s.log.unproven(*s.own)
		precedes = len(unproven) > 0 || !s.own.Covers(floor.start)
	}
	switch {
	case s.mode == modeInStep:
	case s.mode.inLog():
		m[3] = 1
	case s.mode.isLate() && precedes:
		m[3] = 4
	case s.mode.isLate():
		m[3] = 3
	case precedes:
		m[3] = 5
	default:
		m[3] = 2
	}
	if s.index > 0 {
		m[4] = tip.index - s.index
	} else if s.own != nil {
		for _, end := range tip.at.Offsets {
			m[4] += uint64(max(0, end.Offset-s.own.Offset(end.Partition, 0)))
		}
	}
	m[5] = uint64(s.pendingGaps())
	return m
}

type world struct {
	chunks           *[]*chunk
	tip              *mark
	fetches, made    uint64
	blocks, fetching int
	started          int64
}

// world returns a state by which changes of the log and of its block cache are seen.
func (s *Subscription) world() (w world) {
	w.chunks, w.tip = s.log.chunks.Load(), s.log.tip.Load()
	c := s.hub.blocks
	c.mu.Lock()
	defer c.mu.Unlock()
	w.fetches, w.made, w.blocks = c.fetches, c.made, c.count
	for _, p := range s.log.cache.parts {
		w.fetching += len(p.fetches)
		w.started += p.start
	}
	return w
}
