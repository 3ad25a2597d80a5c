package transport

import (
	"context"
	"errors"
	"slices"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// watchStreams brings the sessions up to date that a change of the streams concerns,
// until the context ends.
func (s *Server) watchStreams(ctx context.Context) {
	again := time.NewTicker(followAgain)
	defer again.Stop()
	for {
		_, replaced := s.config.Hub.Names("")
		s.followAll(func(x *session) bool { return x.patterns.Load() > 0 })
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-replaced:
				waiting = false
			case <-again.C:
				s.followAll(func(x *session) bool { return x.lacks.Load() })
			}
		}
	}
}

func (s *Server) followAll(which func(*session) bool) {
	for _, x := range s.sessions.all() {
		if which(x) {
			s.sessions.follower.ask(x)
		}
	}
}

// lacking is what a group could have and does not.
type lacking struct {
	group    *group
	readings []reading
	omitted  int
}

// safelyBringUpToDate is bringUpToDate, except that a panic, which is a bug in the
// server, ends only the session.
func (s *Server) safelyBringUpToDate(x *session, own *place) {
	x.guarded(func() bool { s.bringUpToDate(x, own); return false })
}

// bringUpToDate adds the streams to a session's subscriptions by pattern that they do
// not have yet.
func (s *Server) bringUpToDate(x *session, own *place) {
	p := x.who()
	if p == nil || s.draining.Load() {
		return
	}
	streams, _ := s.config.Hub.Names(p.Tenant())
	now := s.now().Truncate(time.Millisecond)
	var all []lacking
	if !x.doAside(own, func(x *session, _ *scratch) { all = x.lacking(p, streams) }) {
		return
	}
	x.lacks.Store(false)
	ctx, cancel := s.waitFor(s.base, p)
	defer cancel()
	for _, l := range all {
		readings := slices.DeleteFunc(l.readings, func(r reading) bool { return !s.sessions.follower.mayTry(attemptOf(p, &r)) })
		if len(readings) < len(l.readings) {
			x.lacks.Store(true)
		}
		members, faults := s.beginMembers(ctx, x, p, readings)
		for i, fault := range faults {
			failed := fault != nil && fault.Code != wire.UnknownStream && fault.Code != wire.Forbidden
			s.sessions.follower.note(attemptOf(p, &readings[i]), failed, isOwn(fault, &readings[i]))
			if failed {
				x.lacks.Store(true)
				s.noteFault(fault, x.address)
				x.groupMoved(own, l.group, fault)
			}
		}
		if l.group.asked.CursorName != "" {
			members = s.claimFitting(ctx, x, own, p, &l, members)
		}
		if !x.doAside(own, func(x *session, sc *scratch) { x.join(l.group, members, l.omitted, p, sc) }) {
			releaseAll(members)
		}
	}
	if x.lacks.Load() {
		return // a new stream is still to be begun as one
	}
	x.post(func(x *session, _ *scratch) {
		for _, g := range x.groups {
			if now.After(g.looked) {
				g.looked = now
			}
		}
	})
}

func attemptOf(p *auth.Principal, r *reading) attempt {
	return attempt{tenant: p.Tenant(), stream: r.stream, principal: p.Key()}
}

// isOwn reports whether a reading may have failed for a reason that is its client's own, such
// as that the client waits for its turn to search for the newest records.
func isOwn(fault *wire.Error, r *reading) bool {
	if fault == nil || fault.Code == wire.TopicMissing {
		return false
	}
	return r.From.Kind == wire.StartLast || !errors.Is(fault, upstream.ErrSourceUnavailable)
}

// doAside is do for a follower.
func (s *session) doAside(own *place, c command) (ran bool) {
	own.aside(func() { ran = s.do(c) })
	return ran
}

// claimFitting takes the named cursors of those members that can join a group, and returns
// these members.
func (s *Server) claimFitting(ctx context.Context, x *session, own *place, p *auth.Principal, l *lacking, members []begunMember) []begunMember {
	if !x.doAside(own, func(x *session, _ *scratch) { members, l.omitted, _ = x.fitting(l.group, members, l.omitted, p) }) {
		releaseAll(members)
		return nil
	}
	var taken []begunMember
	for i, fault := range s.claimAll(ctx, members) {
		if fault == nil {
			taken = append(taken, members[i])
			continue
		}
		members[i].sub.release()
		x.lacks.Store(true)
		s.noteFault(fault, x.address)
		x.groupMoved(own, l.group, fault)
	}
	return taken
}

// groupMoved ends a group if a stream cannot join it as an operator has moved the stream's named
// cursor since the stream has left.
func (s *session) groupMoved(own *place, g *group, fault *wire.Error) {
	if fault.Code != wire.CursorMoved {
		return
	}
	s.doAside(own, func(s *session, sc *scratch) {
		if !s.closing && s.findGroup(g.id) == g {
			s.endGroup(g, subscriptionEnd{reason: wire.ReasonMoved, fault: fault}, sc)
		}
	})
}

// lacking returns what the groups of the session lack of the streams in force. Where a
// client says nothing else, a stream that is new begins when it came into force, and one
// that the principal may read from now on at the tip.
func (s *session) lacking(p *auth.Principal, streams []hub.Named) (all []lacking) {
	if s.closing {
		return nil
	}
	most := s.server.limits().StreamsPerPattern
	for _, g := range s.groups {
		l, n, known := lacking{group: g}, len(s.members(g)), make(map[string]bool)
		for _, stream := range streams {
			name, since := stream.Name, time.Time{}
			if !stream.Since.Before(g.looked) {
				since = stream.Since
			}
			switch {
			case !g.includes(p, name):
			case s.has(g, name):
				known[name] = true
			case most > 0 && n >= most:
				l.omitted++
			default:
				known[name] = true
				n++
				l.readings = append(l.readings, g.readingOf(name, since))
			}
		}
		g.keep(known)
		if len(l.readings) > 0 || l.omitted != g.omitted {
			all = append(all, l)
		}
	}
	return all
}
