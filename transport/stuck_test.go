package transport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// stuck opens sessions that ask for something and do not read, until the sockets of all of
// them are full.
func (in *instance) stuck(t *testing.T, sessions int, asks string) {
	t.Helper()
	var all []*rawSocket
	for n := range sessions {
		s, _ := in.open(t, handshakeOf("", "Authorization", "Bearer "+token(t, fmt.Sprintf("stuck%d", n), "live", time.Hour)), true)
		s.until("welcome")
		s.put(frame(fin|text, asks))
		s.until("caught_up")
		all = append(all, s)
	}
	value := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
	in.eventually("their sockets are full", func() bool {
		in.topics.Append("orders", record.Record{Value: value})
		stuck, _ := in.server.Held()
		return stuck == len(all)
	})
}

func stuckLimits(l *transport.Limits) { l.WriteProgress, l.SendBuffer = never, 8<<10 }

// TestStuckSessionsKeepNobodysRights: clients that do not read delay no change of the rights
// of others.
func TestStuckSessionsKeepNobodysRights(t *testing.T) {
	t.Parallel()
	by := &ruled{}
	by.say(t, false, func(string) auth.Verdict { return auth.Allowed })
	o := underAuthority(t, by, "public.news")
	o.limits = stuckLimits
	o.stream = func(s *hub.Stream) { s.LogBytes = 4 << 20 }
	in := start(t, o)
	var others []*socket
	for n := range 8 {
		s := in.dial("?stream=orders", token(t, fmt.Sprintf("u%d", n), "live", time.Hour))
		s.until("caught_up")
		others = append(others, s)
	}
	in.stuck(t, 8, `{"type":"subscribe","id":"a","stream":"orders"}`)
	by.say(t, false, func(string) auth.Verdict { return auth.Silent })
	told := make(chan struct{})
	go func() { in.server.RightsChanged(); close(told) }()
	for _, s := range others {
		if m := s.until("unsubscribed"); m.str("reason") != "forbidden" {
			t.Errorf("got %v", m)
		}
	}
	select {
	case <-told:
	case <-time.After(patience):
		t.Error("not all sessions are told")
	}
}

// TestStuckSessionsKeepNobodysApproval: clients that do not read delay no question about the
// subscriptions of others.
func TestStuckSessionsKeepNobodysApproval(t *testing.T) {
	t.Parallel()
	a := &approver{}
	a.says(nil)
	o := a.options()
	o.limits, o.stream = stuckLimits, func(s *hub.Stream) { s.LogBytes = 4 << 20 }
	in := start(t, o)
	var others []*socket
	for n := range 8 {
		s := in.dial("?stream=orders", token(t, fmt.Sprintf("u%d", n), "live", time.Hour))
		s.until("caught_up")
		others = append(others, s)
	}
	in.stuck(t, 8, `{"type":"subscribe","id":"a","stream":"orders"}`)
	a.says(auth.ErrForbidden)
	in.server.Reapprove()
	for _, s := range others {
		if m := s.until("unsubscribed"); m.str("reason") != "forbidden" {
			t.Errorf("got %v", m)
		}
	}
}

// TestStuckSessionsKeepNobodysStreams: clients that do not read do not keep others from
// getting the streams that join their patterns.
func TestStuckSessionsKeepNobodysStreams(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{
		limits: stuckLimits, stream: func(s *hub.Stream) {
			if s.Name == "orders" {
				s.LogBytes = 4 << 20
			}
		},
	}, "market.old")
	in.topics.Create("market.new", 1)
	in.topics.Create("market.newer", 1)
	var others []*socket
	for n := range 4 {
		s := in.dial("", token(t, fmt.Sprintf("u%d", n), "live", time.Hour))
		s.until("welcome")
		s.send(`{"type":"subscribe","id":"p","stream":"market.*"}`)
		s.until("caught_up")
		others = append(others, s)
	}
	in.stuck(t, 24, `{"type":"subscribe","id":"a","stream":"ord*"}`)
	// By the second change, all that the first one concerns are being brought up to date.
	for n, names := range [][]string{{"market.new"}, {"market.new", "market.newer"}} {
		force(append([]string{"market.old"}, names...)...)
		for _, s := range others {
			if m := s.until("streams"); len(m["added"].([]any)) != 1 || !strings.Contains(fmt.Sprint(m["added"]), names[n]) {
				t.Errorf("got %v", m)
			}
		}
	}
}
