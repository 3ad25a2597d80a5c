package transport

import (
	"cmp"
	"crypto/rand"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"sluice/transport/wire"
)

// TestSessionsPages: whatever the order and the size of the pages, they have all sessions, once,
// the largest value first.
func TestSessionsPages(t *testing.T) {
	t.Parallel()
	s := &Server{sessions: newSessionSet()}
	const many = 200
	all := make([]*session, many)
	for n := range all {
		x := &session{id: "s_" + rand.Text(), since: monotime(mathrand.IntN(50))}
		x.delivered.records.Store(uint64(mathrand.IntN(20))) // many have the same
		all[n] = x
		s.sessions.add(x)
	}
	for _, order := range sessionOrders {
		value := order.of
		if value == nil {
			value = func(*session) int64 { return 0 }
		}
		want := slices.SortedFunc(slices.Values(all), func(a, b *session) int {
			return cmp.Or(cmp.Compare(value(b), value(a)), cmp.Compare(a.id, b.id))
		})
		for _, limit := range []int{1, 7, 100, many - 1, many, many + 1} {
			var got []*session
			q := wire.ListQuery{Limit: limit, Order: order.name}
			for pages := 1; ; pages++ {
				page, fault := s.sessionsPage(t.Context(), q, operator{})
				if fault != nil || page.total != many || len(page.sessions) > limit {
					t.Fatalf("%s: %d of %d, %v", order.name, len(page.sessions), page.total, fault)
				}
				for _, x := range page.sessions {
					got = append(got, x.session)
				}
				if q.After = page.next(); q.After == "" {
					if least := (many + limit - 1) / limit; pages != least {
						t.Errorf("%s: %d pages of %d", order.name, pages, limit)
					}
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %d on a page: got %d sessions, in another order or not the same ones", order.name, limit, len(got))
			}
		}
	}
}

// TestSessionsPageIsBounded: an answer is not as large as clients want it to be, and nothing is
// left out of all pages.
func TestSessionsPageIsBounded(t *testing.T) {
	t.Parallel()
	many := func(n int) *sight { return &sight{subs: make([]subscriptionSight, n)} }
	for _, c := range []struct {
		subs []int // of each session, -1 for one that did not answer
		most int
		want int
	}{
		{[]int{3, 3, 3}, 10, 3},
		{[]int{3, 3, 3}, 9, 3},
		{[]int{3, 3, 3}, 8, 2},
		{[]int{20, 1}, 8, 1},
		{[]int{-1, 20, 1}, 8, 1},
		{[]int{-1, -1, 8}, 8, 3},
	} {
		page := sessionsPage{order: sessionOrders[0]}
		for n, subs := range c.subs {
			x := ranked{session: &session{id: string(rune('a' + n))}}
			if subs >= 0 {
				x.seen = many(subs)
			}
			page.sessions = append(page.sessions, x)
		}
		page.bound(c.most)
		if len(page.sessions) != c.want || (page.next() != "") != (c.want < len(c.subs)) {
			t.Errorf("%v: %d sessions, next %q", c.subs, len(page.sessions), page.next())
		}
		if page.more && page.next() != page.sessions[c.want-1].id {
			t.Errorf("%v: next is %q", c.subs, page.next())
		}
	}
}
