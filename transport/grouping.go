package transport

import (
	"slices"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// takeGroup adds a subscription by pattern to the session and sends `subscribed`. On a
// fault, the members remain the caller's.
func (s *session) takeGroup(g *group, members []begunMember, sc *scratch) *wire.Error {
	members, fault := s.admitsGroup(g, members)
	if fault != nil {
		return fault
	}
	s.mu.Lock()
	s.groups = append(s.groups, g)
	s.mu.Unlock()
	s.patterns.Add(1)
	s.add(g, members)
	if !s.dialect.converses() {
		return nil
	}
	s.audits(members)
	s.send(sc, g.subscribed(members, s.groupCursor(g, sc.now)))
	s.knowGroup(g, sc.now)
	s.groupCaughtUp(g, sc)
	s.followIfReplaced()
	s.endSupersededMember(g, sc)
	return nil
}

// admitsGroup returns the members of a subscription by pattern that are to be added to the
// session, and releases the others. With a fault the subscription cannot be added, and all
// members remain the caller's.
func (s *session) admitsGroup(g *group, members []begunMember) ([]begunMember, *wire.Error) {
	if s.closing {
		return members, wire.Errorf(wire.Draining, "the session is closing")
	}
	if s.find(g.id) != nil || s.findGroup(g.id) != nil {
		return members, wire.Errorf(wire.BadRequest, "another subscription has this id")
	}
	fresh, apart := s.separate(members)
	if fault := s.roomFor(g, fresh); fault != nil {
		return members, fault
	}
	releaseAll(apart)
	for _, m := range apart {
		g.forget(m.sub.Stream())
	}
	return fresh, nil
}

// separate returns the members whose feeds the session does not have, and the others.
// The records of a feed are delivered to a session once.
func (s *session) separate(members []begunMember) (fresh, others []begunMember) {
	for _, m := range members {
		same := func(sub *subscription) bool { return sub.Feed().Is(m.sub.Feed()) }
		if slices.ContainsFunc(s.subs, same) {
			others = append(others, m)
		} else {
			fresh = append(fresh, m)
		}
	}
	return fresh, others
}

// roomFor checks the limits of the session against members to be added.
func (s *session) roomFor(g *group, members []begunMember) *wire.Error {
	l := s.server.limits()
	own, all := &needs{}, &needs{}
	for _, m := range members {
		own.add(m.sub)
		all.add(m.sub)
	}
	for _, sub := range s.subs {
		all.add(sub)
	}
	var (
		fault *wire.Error
		alone bool
	)
	switch {
	case l.SubscriptionsPerSession > 0 && s.load()+max(1, len(members)) > l.SubscriptionsPerSession+s.emptyAs(g):
		fault = wire.Errorf(wire.SubscriptionLimit, "a session has at most %d subscriptions, and a pattern counts as many as it has streams", l.SubscriptionsPerSession)
		alone = len(members) > l.SubscriptionsPerSession
	case l.KeysPerSession > 0 && all.values > l.KeysPerSession:
		fault = wire.Errorf(wire.SubscriptionLimit, "the filters of a session have at most %d keys and field values together", l.KeysPerSession)
		alone = own.values > l.KeysPerSession
	case l.FiltersPerSession > 0 && own.evaluated > 0 && all.evaluated > l.FiltersPerSession:
		fault = wire.Errorf(wire.SubscriptionLimit, "a session has at most %d subscriptions with filters that no index serves, and a pattern counts as many as it has streams", l.FiltersPerSession)
		alone = own.evaluated > l.FiltersPerSession
	case g.asked.CursorName == "":
		c := s.positions(g, monotimeNow().Time())
		if !s.dialect.converses() {
			c = s.allPositions(c.At)
		}
		for _, m := range members {
			c.Streams = slices.DeleteFunc(c.Streams, func(at record.StreamPosition) bool { return at.Stream == m.sub.Stream() })
			c.Streams = append(c.Streams, m.sub.StreamPosition())
		}
		return s.server.checkCursor(c.String())
	}
	if fault == nil {
		return nil
	}
	return s.overLimit(fault, alone)
}

// overLimit completes the fault of a request for which the session has no room. It is
// final if the request alone exceeds the limit, and in an event stream, where there is
// nothing else to make room.
func (s *session) overLimit(fault *wire.Error, alone bool) *wire.Error {
	if fault.Final = alone || !s.dialect.converses(); !fault.Final {
		fault.RetryAfter = time.Second
	}
	return fault
}

// needs is what subscriptions need of the limits of a session.
type needs struct{ values, evaluated int }

func (n *needs) add(sub *subscription) {
	n.values += sub.Feed().Indexed()
	if sub.evaluated {
		n.evaluated++
	}
}

// emptyAs is what a group counts in load beside its members: 1 while it has none.
func (s *session) emptyAs(g *group) int {
	if slices.Contains(s.groups, g) && len(s.members(g)) == 0 {
		return 1
	}
	return 0
}

// add adds members to a group of the session.
func (s *session) add(g *group, members []begunMember) {
	for _, m := range members {
		m.sub.group, m.sub.told = g, &g.told
		g.forget(m.sub.Stream())
		s.mu.Lock()
		s.subs = append(s.subs, m.sub)
		s.mu.Unlock()
		s.server.metrics.subscriptions.Inc()
		if g.paused {
			s.pause(m.sub, monotimeNow())
		}
	}
}

// audits records that the session has members.
func (s *session) audits(members []begunMember) {
	for _, m := range members {
		s.server.audit.subscribed(s, m.sub)
	}
}

// subscribed is the answer to the request for a group.
func (g *group) subscribed(members []begunMember, cursor string) *wire.Subscribed {
	m := &wire.Subscribed{
		ID: g.id, Stream: g.text, Pattern: true, Members: membersOf(members),
		Start: string(g.start(members)), Cursor: cursor,
	}
	resumes := m.Start == string(hub.StartCursor) || m.Start == string(hub.StartNamed)
	m.Recovered = resumes
	for _, each := range members {
		m.Short = m.Short || each.begun.Short
		if each.begun.Kind == hub.StartCursor || each.begun.Kind == hub.StartNamed {
			m.Recovered = m.Recovered && each.begun.Recovered
		}
	}
	return m
}

// start is the kind of start of the group: that of the streams that resume, if there are
// any, as the others only follow from them.
func (g *group) start(members []begunMember) hub.StartKind {
	for _, kind := range [...]hub.StartKind{hub.StartCursor, hub.StartNamed} {
		if slices.ContainsFunc(members, func(m begunMember) bool { return m.begun.Kind == kind }) {
			return kind
		}
	}
	if g.resumes {
		return hub.StartCursor
	}
	switch g.asked.From.Kind {
	case wire.StartEarliest:
		return hub.StartEarliest
	case wire.StartTime, wire.StartAgo:
		return hub.StartTime
	case wire.StartLast:
		return hub.StartLast
	case wire.StartUnset, wire.StartLatest, wire.StartOffset, wire.StartCursor:
	}
	return hub.StartLatest
}

func membersOf(members []begunMember) []wire.Member {
	all := make([]wire.Member, len(members))
	for i, m := range members {
		all[i].Stream = m.sub.Stream()
		if m.sub.Feed().Filtered() {
			all[i].Feed = m.sub.Feed().Name()
		}
	}
	return all
}

// groupCaughtUp sends `caught_up` once all members of a group have caught up.
func (s *session) groupCaughtUp(g *group, sc *scratch) (sent bool) {
	if g.caught {
		return false
	}
	for _, sub := range s.subs {
		if sub.group == g && !sub.caught {
			return false
		}
	}
	g.caught = true
	caught := &wire.CaughtUp{Cursor: s.cursorFor(g, sc.now)}
	if s.dialect.converses() {
		caught.ID = g.id
	}
	sc.given.sub = nil
	s.send(sc, caught)
	s.knowGroup(g, sc.now)
	return true
}

// cursorFor returns the cursor that the client resumes from: that of the group, or that
// of all subscriptions if the session has a single cursor.
func (s *session) cursorFor(g *group, now monotime) string {
	if s.dialect.converses() {
		return s.groupCursor(g, now)
	}
	return s.cursor(now)
}

// tellStreams reports streams that have joined or left a group.
func (s *session) tellStreams(g *group, added []begunMember, removed []string, sc *scratch) {
	m := &wire.Streams{Added: membersOf(added), Removed: removed, Omitted: g.omitted, Cursor: s.cursorFor(g, sc.now)}
	if s.dialect.converses() {
		m.ID = g.id
	} else {
		for i := range m.Added {
			m.Added[i].Feed = "" // events carry none
		}
	}
	sc.given.sub = nil
	s.sendPosition(sc, m)
	s.knowGroup(g, sc.now)
}

// join adds members to a group of the session that has begun before, for the rights of
// a principal, and tells the client how many streams are left out because of limits:
// omitted, and those for which there is no room. It releases what it does not add.
func (s *session) join(g *group, members []begunMember, omitted int, p *auth.Principal, sc *scratch) {
	members, omitted, ok := s.fitting(g, members, omitted, p)
	if !ok || len(members) == 0 && omitted == g.omitted {
		return
	}
	g.omitted = omitted
	s.add(g, members)
	s.audits(members)
	s.tellStreams(g, members, nil, sc)
	s.endSupersededMember(g, sc)
}

// fitting returns which members can join a group, and how many streams are left out then.
// It releases the others, which are all if it reports false.
func (s *session) fitting(g *group, members []begunMember, omitted int, p *auth.Principal) ([]begunMember, int, bool) {
	if s.closing || s.who() != p || !slices.Contains(s.groups, g) {
		releaseAll(members) // with other rights, they begin anew
		s.lacks.Store(true)
		return nil, omitted, false
	}
	members = slices.DeleteFunc(members, func(m begunMember) bool {
		twice := s.has(g, m.sub.Stream())
		if twice {
			m.sub.release()
		}
		return twice
	})
	members, others := s.separate(members)
	releaseAll(others)
	for len(members) > 0 {
		fault := s.roomFor(g, members)
		if fault == nil {
			break
		}
		last := len(members) - 1
		members[last].sub.release()
		members = members[:last]
		omitted++
		s.server.noteFault(fault, s.address)
	}
	return members, omitted, true
}

// stillAllowed returns the members that began with rights that are still in force, and
// releases the others, which begin anew with the new ones.
func (s *session) stillAllowed(p *auth.Principal, members []begunMember) []begunMember {
	now := s.who()
	if now == p {
		return members
	}
	return slices.DeleteFunc(members, func(m begunMember) bool {
		// What was approved was so for the other token.
		gone := m.sub.asked != nil || s.server.mayLose(p, now, m.sub.Stream(), m.sub.rows, m.sub.Replays()) != ""
		if gone {
			m.sub.release()
		}
		return gone
	})
}

// leave removes a member from its group. Its stream continues from there if it comes
// back.
func (s *session) leave(sub *subscription) {
	at := sub.StreamPosition()
	at.Position = at.Position.Clone()
	sub.group.apart = append(sub.group.apart, apart{StreamPosition: at})
	s.remove(sub)
}

// memberChanged handles a member whose stream has another definition, or is gone.
func (s *session) memberChanged(sub *subscription, sc *scratch) {
	g := sub.group
	s.leave(sub)
	s.tellStreams(g, nil, []string{sub.Stream()}, sc)
	s.groupCaughtUp(g, sc)
	s.follow()
}

// loses is Server.mayLose for a subscription of the session, for which bounds were asked for.
func (s *session) loses(was, p *auth.Principal, sub *subscription, bounds map[string]hub.Bound) wire.Reason {
	_, bounded := bounds[sub.Stream()]
	return s.server.mayLose(was, p, sub.Stream(), sub.rows, sub.Replays() && !bounded)
}

// withdraw removes the members of all groups that a principal may not keep, and brings
// the groups up to date with the principal's rights.
func (s *session) withdraw(was, p *auth.Principal, bounds map[string]hub.Bound, sc *scratch) {
	for _, g := range s.groups {
		var gone []string
		for _, sub := range s.members(g) {
			if s.loses(was, p, sub, bounds) != "" {
				s.leave(sub)
				gone = append(gone, sub.Stream())
			}
		}
		if len(gone) > 0 {
			s.tellStreams(g, nil, gone, sc)
			s.groupCaughtUp(g, sc)
		}
	}
	s.follow()
}

// endSupersededMember ends a group whose named cursor was superseded for one of its
// streams before the stream was in the session.
func (s *session) endSupersededMember(g *group, sc *scratch) {
	for _, sub := range s.members(g) {
		if sub.lease != nil && sub.lease.Superseded() {
			s.endGroup(g, endTaken(sub.lease), sc)
			return
		}
	}
}
