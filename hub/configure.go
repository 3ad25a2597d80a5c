package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SetStreams replaces the streams in force. It can be called at any time, also while
// subscriptions deliver, and replaces all streams or, with an error, none.
//
// A stream is immutable. One whose definition stays the same goes on undisturbed. One
// that is no longer there, or that has another definition, is retired: its
// subscriptions end with StreamChanged in front of the next record, and can be
// resumed with their cursors if there is a stream of the name. Requests that have
// found a stream already are answered by it.
func (h *Hub) SetStreams(streams []Stream) error {
	retired, err := h.setStreams(streams)
	for _, st := range retired {
		st.retire()
		for _, of := range h.tenants.remove(st) {
			of.retire()
		}
	}
	return err
}

// setStreams returns the streams that are no longer in force.
func (h *Hub) setStreams(streams []Stream) (retired []*stream, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.streams()
	next := make(map[string]*stream, len(streams))
	var added []*stream
	for _, s := range streams {
		switch {
		case s.Name == "" || s.Topic == "" || s.Source == nil || s.LogBytes <= 0 || !s.Content.Valid() || !s.Slow.Valid():
			return nil, fmt.Errorf("stream %q: Name, Topic, Source and LogBytes are required, Content and Slow must be valid", s.Name)
		case next[s.Name] != nil:
			return nil, fmt.Errorf("duplicate stream %q", s.Name)
		}
		hides, err := hidesAll(s.Decrypt)
		if err != nil {
			return nil, fmt.Errorf("stream %q: %w", s.Name, err)
		}
		st := was[s.Name]
		if st == nil || st.Stream != s {
			st = h.newStream(s, hides)
			added = append(added, st)
		}
		next[s.Name] = st
	}
	h.inForce.Store(&next)
	h.watchAll(added)
	for name, st := range was {
		if next[name] != st {
			retired = append(retired, st)
		}
	}
	if h.replaced != nil && len(added)+len(retired) > 0 {
		close(h.replaced)
		h.replaced = nil
	}
	return retired, nil
}

// Named is a stream in force.
type Named struct {
	Name string
	// Since is when the stream came into force, with its present definition.
	Since time.Time
}

// Names returns the streams in force that a tenant has, by name, and a channel that is
// closed once others are in force.
func (h *Hub) Names(tenant string) (streams []Named, replaced <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.replaced == nil {
		h.replaced = make(chan struct{})
	}
	for name, st := range h.streams() {
		if tenant != "" || !st.isTemplate() {
			streams = append(streams, Named{name, st.since})
		}
	}
	slices.SortFunc(streams, func(a, b Named) int { return strings.Compare(a.Name, b.Name) })
	return streams, h.replaced
}

// watchAll looks where the topics of streams end while the hub runs. The caller holds
// h.mu.
func (h *Hub) watchAll(streams []*stream) {
	ctx := h.ctx
	if ctx == nil || h.closed {
		return
	}
	for _, st := range streams {
		if !st.isTemplate() {
			h.tasks.Go(func() { st.watchTips(ctx, nil) })
		}
	}
}

// SetLimits replaces the limits in force, at any time, unless it returns an error. A
// limit counts from the next time that it is asked for: what exceeds a smaller one is
// not taken back, but nothing is added to it.
func (h *Hub) SetLimits(l Limits) error {
	if l.StartTimeout <= 0 {
		return errors.New("StartTimeout is required")
	}
	h.bounds.Store(&l)
	return nil
}
