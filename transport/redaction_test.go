package transport_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub/record"
	"sluice/transport"
)

// writeCards writes records with a card, and a trace in a header, to orders.
func (in *instance) writeCards(from, to int) {
	for n := from; n < to; n++ {
		in.topics.Append("orders", record.Record{
			Key: []byte("k"), Timestamp: time.Now().UnixMilli(),
			Value:   fmt.Appendf(nil, `{"n":%d,"card":{"number":"hidden%d","exp":1},"email":"hidden@%d"}`, n, n, n),
			Headers: []record.Header{{Name: []byte("trace"), Value: []byte("hidden")}, {Name: []byte("kind"), Value: []byte("x")}},
		})
	}
}

// TestRedactedInEveryWay: what a grant redacts is not sent, whichever way a client reads,
// and next to clients that are shown everything, whose filters look at everything.
func TestRedactedInEveryWay(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t,
		auth.Grant{When: map[string]string{"role": "support"}, Subscribe: []string{"orders"}, Redact: []string{"/card/number", "headers.trace"}, Mask: []string{"/email"}, Replay: auth.ReplayUnlimited},
		auth.Grant{When: map[string]string{"role": "auditor"}, Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited},
	)
	rights := o.config
	o.config = func(c *transport.Config) {
		rights(c)
		compressing(c)
	}
	o.limits = func(l *transport.Limits) { l.PageCache = time.Minute }
	in := start(t, o)
	in.writeCards(0, 30)
	support, auditor := tokenOf(t, "s", map[string]any{"role": "support"}), tokenOf(t, "a", map[string]any{"role": "auditor"})
	hidden := "filter=" + url.QueryEscape(`data.card.number == "hidden7" || data.email == "hidden@9"`)
	masked := "filter=" + url.QueryEscape(`data.email == "***" && !("trace" in headers) && !has(data.card.number) && data.n < 3`)
	for name, reader := range map[string]func(query, token string, n int) string{
		"pages": func(query, token string, _ int) string {
			_, head, body := in.do(http.MethodGet, "/v1/streams/orders/records?limit=1000&"+query, token, "")
			if head.Get("Cache-Control") != "no-store" {
				t.Errorf("may be cached: %v", head)
			}
			return body
		},
		"websocket": func(query, token string, n int) (text string) {
			s := in.dial("?stream=orders&"+query, token)
			for range n {
				text += fmt.Sprintf("%v\n", s.until("event"))
			}
			s.until("caught_up")
			return text
		},
		"events": func(query, token string, n int) (text string) {
			s := in.reads("/v1/streams/orders/events?"+query, token)
			for range n {
				text += fmt.Sprintf("%v\n", s.until("").json(t))
			}
			return text
		},
	} {
		for _, c := range []struct {
			token, query string
			n            int
			hidden       bool
		}{
			{support, "from=earliest", 30, false},
			{auditor, "from=earliest", 30, true},
			{support, "from=earliest&key=k", 30, false},
			{auditor, "from=earliest&" + hidden, 2, true},
			{support, "from=earliest&" + masked, 3, false},
			{auditor, "from=earliest&" + masked, 0, false},
			{support, "from=last:2", 2, false},
		} {
			text := reader(c.query, c.token, c.n)
			if strings.Contains(text, "hidden") != c.hidden || strings.Contains(text, "***") != (!c.hidden && c.n > 0) || strings.Count(text, "partition") < c.n {
				t.Errorf("%s, %s: %d events, hidden values %v: %.500s", name, c.query, strings.Count(text, "partition"), !c.hidden, text)
			}
		}
		if name == "pages" {
			if text := reader("from=earliest&"+hidden, support, 0); strings.Contains(text, "partition\":") {
				t.Errorf("found by what is hidden: %s", text)
			}
		}
	}
}

// TestRedactionsOfAnonymousAreNotCached: nor are pages shared with others.
func TestRedactionsOfAnonymousAreNotCached(t *testing.T) {
	t.Parallel()
	for redacted, stored := range map[bool]string{false: "public, max-age=60", true: "no-store"} {
		g := auth.Grant{Anonymous: true, Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited}
		if redacted {
			g.Redact = []string{"/card"}
		}
		o, _ := withFilters(t, g)
		o.limits = caching
		in := start(t, o)
		in.writeCards(0, 10)
		_, head, body := in.do(http.MethodGet, "/v1/streams/orders/records?limit=5&from=offset:0:0,1:0", "", "")
		if got := head.Get("Cache-Control"); got != stored || strings.Contains(body, "card") == redacted {
			t.Errorf("redacted %v: %s %s", redacted, got, body)
		}
	}
}

// TestRedactionsThatChange: a subscription that began with another redaction ends before
// the next record.
func TestRedactionsThatChange(t *testing.T) {
	t.Parallel()
	grant := func(paths ...string) auth.Grant {
		return auth.Grant{When: map[string]string{"role": "user"}, Subscribe: []string{"orders"}, Redact: paths}
	}
	for name, c := range map[string]struct {
		before, after auth.Grant
		ends          bool
	}{
		"more":      {grant("/a"), grant("/a", "/card"), true},
		"less":      {grant("/card"), grant(), true},
		"from none": {grant(), grant("/card"), true},
		"the same":  {grant("/a", "/b"), grant("/b", "/a", "/a/c"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, a := withFilters(t, c.before)
			in := start(t, o)
			token := tokenOf(t, "u0", map[string]any{"role": "user"})
			s := in.dial("?stream=orders", token)
			s.until("caught_up")
			e := in.reads("/v1/streams/orders/events", token)
			e.until("sluice.caught_up")
			if err := a.SetGrants([]auth.Grant{c.after}); err != nil {
				t.Fatal(err)
			}
			in.server.RightsChanged()
			in.writeCards(0, 1)
			m := s.next()
			if !c.ends {
				if m.str("type") != "event" {
					t.Errorf("WebSocket: %v", m)
				}
				e.until("")
				return
			}
			if m.str("type") != "unsubscribed" || m.str("reason") != "rights_changed" {
				t.Errorf("WebSocket: %v", m)
			}
			e.closesWith("rights_changed", "resume", false)
		})
	}
}
