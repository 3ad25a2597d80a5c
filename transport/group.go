package transport

import (
	"slices"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/record"
)

// begunMember is a subscription to a stream of a pattern.
type begunMember struct {
	sub   *subscription
	begun hub.Begun
}

func releaseAll(members []begunMember) {
	for _, m := range members {
		m.sub.release()
	}
}

// includes reports whether a stream belongs to a group of a principal.
func (g *group) includes(p *auth.Principal, stream string) bool {
	return g.pattern.Match(stream) && p.May(auth.Subscribe, stream)
}

func (g *group) apartFrom(stream string) int {
	return slices.IndexFunc(g.apart, func(a apart) bool { return a.Stream == stream })
}

// forget removes the position of a stream that is a member, or will be none.
func (g *group) forget(stream string) {
	if i := g.apartFrom(stream); i >= 0 {
		g.apart = slices.Delete(g.apart, i, i+1)
	}
}

// keep forgets the positions of streams that cannot become members.
func (g *group) keep(known map[string]bool) {
	kept := g.apart[:0]
	for _, a := range g.apart {
		if known[a.Stream] {
			kept = append(kept, a)
		}
	}
	g.apart = kept
}

// findGroup returns the subscription by pattern with an id, or nil.
func (s *session) findGroup(id string) *group {
	for _, g := range s.groups {
		if g.id == id {
			return g
		}
	}
	return nil
}

// members returns the subscriptions of a group.
func (s *session) members(g *group) (members []*subscription) {
	for _, sub := range s.subs {
		if sub.group == g {
			members = append(members, sub)
		}
	}
	return members
}

// has reports whether the session has a subscription to a stream: of the group, or, if
// the client cannot tell subscriptions from each other, any.
func (s *session) has(g *group, stream string) bool {
	return slices.ContainsFunc(s.subs, func(sub *subscription) bool {
		return sub.Stream() == stream && (sub.group == g || !s.dialect.converses())
	})
}

// load is what counts against the limit of subscriptions.
func (s *session) load() int {
	n := len(s.subs)
	for _, g := range s.groups {
		if !slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.group == g }) {
			n++
		}
	}
	return n
}

// positions returns the cursor of a group, created at a time.
func (s *session) positions(g *group, at time.Time) record.Cursor {
	c := record.Cursor{At: at}
	for _, sub := range s.subs {
		if sub.group == g {
			c.Streams = append(c.Streams, sub.StreamPosition())
		}
	}
	for _, a := range g.apart {
		c.Streams = append(c.Streams, a.StreamPosition)
	}
	return c
}

func (s *session) groupCursor(g *group, now monotime) string {
	return s.positions(g, now.Time()).String()
}

// knowGroup notes that the client knows the current cursor of a group.
func (s *session) knowGroup(g *group, now monotime) {
	if !s.dialect.converses() {
		return
	}
	g.told.know(s.positions(g, time.Time{}).String(), now)
}
