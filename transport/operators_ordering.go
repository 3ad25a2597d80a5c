package transport

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"sluice/transport/wire"
)

// sessionOrder is a value of sessions by which they are ordered, the largest first.
type sessionOrder struct {
	name string
	// of returns the value of a session, which any goroutine may ask for; nil if only the
	// executor can tell it.
	of func(*session) int64
	// seen returns it from what the executor tells.
	seen func(*sight) int64
}

// sessionOrders are the orders that can be asked for. The first is the usual one, by id.
var sessionOrders = []sessionOrder{
	{name: "session", of: func(*session) int64 { return 0 }},
	{name: "started", of: func(x *session) int64 { return int64(x.since) }},
	{name: "sent_records", of: func(x *session) int64 { return int64(x.delivered.records.Load()) }},
	{name: "sent_bytes", of: func(x *session) int64 { return int64(x.delivered.bytes.Load()) }},
	{name: "buffered_bytes", seen: func(seen *sight) int64 { return int64(seen.buffered) }},
	{name: "lag_records", seen: (*sight).lag},
}

// unknownValue is the value of a session that does not tell it.
const unknownValue = -1

// lag returns the largest lag of the subscriptions.
func (s *sight) lag() (most int64) {
	for i := range s.subs {
		if s.subs[i].stream == "" {
			continue
		}
		if offsets, known := s.subs[i].at.Offsets(); known {
			most = max(most, offsets)
		}
	}
	return most
}

// ranked is a session with the value by which it is ordered.
type ranked struct {
	*session
	value int64
	seen  *sight // what its executor told, nil if it was not asked or did not answer in time
	asked bool   // its executor was
}

func (a ranked) compare(b ranked) int {
	return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.id, b.id))
}

// ranking keeps the first of the sessions that are added.
type ranking struct {
	most  int
	after *ranked // only those behind this one are kept; nil for all
	kept  []ranked
	full  bool // what is behind the last one that is kept cannot be among the first
}

func (k *ranking) add(r ranked) {
	switch {
	case k.after != nil && r.compare(*k.after) <= 0:
		return
	case k.full && r.compare(k.kept[k.most-1]) > 0:
		return
	}
	// Sorting now and then keeps few, and takes less than sorting all.
	if k.kept = append(k.kept, r); len(k.kept) >= 4*k.most {
		k.cut()
	}
}

func (k *ranking) cut() {
	slices.SortFunc(k.kept, ranked.compare)
	if len(k.kept) >= k.most {
		clear(k.kept[k.most:])
		k.kept, k.full = k.kept[:k.most], true
	}
}

// sessionsPage is some of the sessions that an operator asks for.
type sessionsPage struct {
	order    sessionOrder
	sessions []ranked
	total    int  // how many there are in all
	more     bool // others follow
}

// next returns what the page behind this one is asked for with, empty if there is none.
func (p *sessionsPage) next() string {
	if !p.more {
		return ""
	}
	return p.order.nextOf(p.sessions[len(p.sessions)-1])
}

// subscriptionsPerPage bounds the subscriptions in an answer, of which clients may have many.
const subscriptionsPerPage = 5000

// bound leaves those sessions to the next page with which this one has too many subscriptions,
// but for the first.
func (p *sessionsPage) bound(subscriptions int) {
	for i, x := range p.sessions {
		if x.seen == nil {
			continue
		}
		if subscriptions -= len(x.seen.subs); subscriptions < 0 && i > 0 {
			p.sessions, p.more = p.sessions[:i], true
			return
		}
	}
}

// sessionsPage returns the next sessions that an operator asks for. What it costs grows with
// the number of sessions only as a look at each does; the executors that are asked are those of
// sessions that are not in step.
func (s *Server) sessionsPage(ctx context.Context, q wire.ListQuery, o operator) (page sessionsPage, fault *wire.Error) {
	order, after, fault := orderOf(q)
	if fault != nil {
		return page, fault
	}
	page.order = order
	first := ranking{most: q.Limit + 1, after: after}
	var unsure []*session
	for _, x := range s.sessions.all() {
		if !o.sessionFits(q, x) {
			continue
		}
		page.total++
		switch {
		case order.of != nil:
			first.add(ranked{session: x, value: order.of(x)})
		case x.behind.Load() || x.pauses.Load() > 0:
			unsure = append(unsure, x)
		default: // it lacks nothing, and nothing waits for it
			first.add(ranked{session: x})
		}
	}
	for i, seen := range s.lookAt(ctx, unsure) {
		r := ranked{session: unsure[i], value: unknownValue, seen: seen, asked: true}
		if seen != nil {
			r.value = order.seen(seen)
		}
		first.add(r)
	}
	first.cut()
	page.sessions = first.kept
	if page.more = len(page.sessions) > q.Limit; page.more {
		page.sessions = page.sessions[:q.Limit]
	}
	return page, nil
}

// lookAtPage asks the executors of the sessions of a page that were not asked yet.
func (s *Server) lookAtPage(ctx context.Context, page []ranked) {
	var sessions []*session
	var at []int // in the page
	for i := range page {
		if !page[i].asked {
			sessions, at = append(sessions, page[i].session), append(at, i)
		}
	}
	for i, seen := range s.lookAt(ctx, sessions) {
		page[at[i]].seen = seen
	}
}

// orderOf returns the order that is asked for, and the session, as it was, that the page comes
// behind, nil for the first page.
func orderOf(q wire.ListQuery) (order sessionOrder, after *ranked, fault *wire.Error) {
	i := max(0, slices.IndexFunc(sessionOrders, func(o sessionOrder) bool { return o.name == q.Order }))
	order = sessionOrders[i]
	switch {
	case q.Order != "" && order.name != q.Order:
		names := make([]string, len(sessionOrders))
		for i, o := range sessionOrders {
			names[i] = o.name
		}
		return order, nil, wire.Errorf(wire.BadRequest, "order is not one of %s", strings.Join(names, ", "))
	case q.After == "":
		return order, nil, nil
	case i == 0:
		return order, &ranked{session: &session{id: q.After}}, nil
	}
	value, id, ok := strings.Cut(q.After, "/")
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || !ok {
		return order, nil, wire.Errorf(wire.BadRequest, "after is not the next of an answer in this order: begin without it")
	}
	return order, &ranked{session: &session{id: id}, value: number}, nil
}

// nextOf returns what the page behind a session is asked for with.
func (o sessionOrder) nextOf(last ranked) string {
	if o.name == sessionOrders[0].name {
		return last.id
	}
	return strconv.FormatInt(last.value, 10) + "/" + last.id
}

// sessionFits reports whether a session is one that the operator asks for and may see.
func (o operator) sessionFits(q wire.ListQuery, x *session) bool {
	p := x.who()
	switch {
	case p == nil:
		if o.tenant() != "" || q.Principal != "" {
			return false
		}
	case !o.sees(p.Tenant()):
		return false
	case q.Principal != "" && q.Principal != p.Key() && (p.Anonymous() || q.Principal != p.ID()):
		return false
	}
	return q.Stream == "" || x.reads(q.Stream)
}
