package transport_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub/filter/expr"
	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/transport"
	"sluice/transport/rights"
)

// withFilters gives a server the language of filters, and grants on orders.
func withFilters(t *testing.T, grants ...auth.Grant) (options, *auth.Authenticator) {
	t.Helper()
	language, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	grants = append(grants, auth.Grant{Anonymous: true, Subscribe: []string{"public.news"}})
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
		Grants:  grants,
	})
	if err != nil {
		t.Fatal(err)
	}
	return options{config: func(c *transport.Config) {
		c.Auth, c.Filters, c.Rights = a, language, rights.New(language)
		c.Ingest = ingest.New(c.Hub, nil, []ingest.Step{ingest.Allowed{}})
	}}, a
}

func tokenOf(t *testing.T, subject string, more map[string]any) string {
	t.Helper()
	text, err := auth.Mint(secret, auth.TokenClaims{Issuer: "test", Audience: "sluice", Subject: subject, ValidFor: time.Hour, More: more})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// writeRows writes records to partition n%2 of orders: record n has key u<n%3>, the
// total n, and a header kind.
func (in *instance) writeRows(from, to int) {
	for n := from; n < to; n++ {
		in.topics.Append("orders", record.Record{
			Partition: int32(n % 2), Key: fmt.Appendf(nil, "u%d", n%3), Value: fmt.Appendf(nil, `{"n":%d,"of":"u%d"}`, n, n%3),
			Headers:   []record.Header{{Name: []byte("kind"), Value: fmt.Appendf(nil, "k%d", n%4)}},
			Timestamp: time.Now().UnixMilli(),
		})
	}
}

// numbersOf returns which of the records of writeRows a page has.
func (in *instance) numbersOf(query, token string) []int {
	var numbers []int
	for _, offset := range in.page("orders", "limit=1000&from=earliest&"+query, token).places() {
		numbers = append(numbers, int(offset[1])*2+int(offset[0]))
	}
	slices.Sort(numbers)
	return numbers
}

// places returns partition and offset of each record.
func (p pageBody) places() (places [][2]int64) {
	for _, r := range p.Records {
		places = append(places, [2]int64{int64(r["partition"].(float64)), int64(r["offset"].(float64))})
	}
	return places
}

// TestFilterParameters: each parameter that selects records selects the same ones in
// every way of reading, alone and with others.
func TestFilterParameters(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t, auth.Grant{Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited})
	in := start(t, o)
	const written = 48
	in.writeRows(0, written)
	token := tokenOf(t, "reader", nil)
	for _, c := range []struct {
		name   string
		values url.Values
		passes func(n int) bool
	}{
		{"filter", url.Values{"filter": {"data.n > 10"}}, func(n int) bool { return n > 10 }},
		{"an equality", url.Values{"filter": {`data.of == "u1"`}}, func(n int) bool { return n%3 == 1 }},
		{"filter and key", url.Values{"filter": {"data.n > 10"}, "key": {"u2"}}, func(n int) bool { return n > 10 && n%3 == 2 }},
		{"key_prefix", url.Values{"key_prefix": {"u1"}}, func(n int) bool { return n%3 == 1 }},
		{"header", url.Values{"header.kind": {"k3"}}, func(n int) bool { return n%4 == 3 }},
		{"all", url.Values{"header.kind": {"k3"}, "key_prefix": {"u"}, "key": {"u0", "u1"}, "filter": {"data.n < 40"}}, func(n int) bool { return n%4 == 3 && n%3 < 2 && n < 40 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var want []int
			for n := range written {
				if c.passes(n) {
					want = append(want, n)
				}
			}
			if got := in.numbersOf(c.values.Encode(), token); !slices.Equal(got, want) {
				t.Errorf("pages: %v, want %v", got, want)
			}
			collect := func(next func() message) (got []int) {
				for range want {
					m := next()
					got = append(got, int(m["offset"].(float64))*2+int(m["partition"].(float64)))
				}
				slices.Sort(got)
				return got
			}
			s := in.dial("", token)
			fields := `"from":"earliest"`
			for name, values := range c.values {
				if name == "key" {
					fields += fmt.Sprintf(`,"key":["%s"]`, strings.Join(values, `","`))
				} else {
					fields += fmt.Sprintf(`,%q:%q`, name, values[0])
				}
			}
			s.send(`{"type":"subscribe","id":"a","stream":"orders",%s}`, fields)
			if got := collect(func() message { return s.until("event") }); !slices.Equal(got, want) {
				t.Errorf("WebSocket: %v, want %v", got, want)
			}
			if m := s.until("caught_up"); m == nil {
				t.Error("more is delivered")
			}
			e := in.events("/v1/streams/orders/events?from=earliest&"+c.values.Encode(), token)
			if got := collect(func() message { return e.until("").json(t) }); !slices.Equal(got, want) {
				t.Errorf("events: %v, want %v", got, want)
			}
		})
	}
}

// TestBadFilter: a filter with a fault is refused with its place, by every interface.
func TestBadFilter(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t, auth.Grant{Subscribe: []string{"orders"}})
	in := start(t, o)
	token := tokenOf(t, "reader", nil)
	bad := "filter=" + url.QueryEscape("data.n >\n  foo")
	for _, path := range []string{"/v1/streams/orders/events?", "/v1/streams/orders/records?"} {
		status, head, body := in.do(http.MethodGet, path+bad, token, "")
		m := in.problem(t, status, head, body, http.StatusBadRequest, "bad_filter")
		if !strings.Contains(fmt.Sprint(m["errors"]), "line 2, column 3: undeclared reference to 'foo'") {
			t.Errorf("%s: %v", path, m)
		}
	}
	s := in.dial("", token)
	s.send(`{"type":"subscribe","id":"a","stream":"orders","filter":"data.n >"}`)
	if m := s.until("error"); m.str("code") != "bad_filter" || m.str("id") != "a" || !strings.Contains(fmt.Sprint(m["errors"]), "/filter") {
		t.Errorf("got %v", m)
	}
	// The session goes on.
	s.send(`{"type":"subscribe","id":"a","stream":"orders","filter":"data.n > 1"}`)
	if m := s.until("subscribed"); !strings.HasPrefix(m.str("feed"), "orders#") {
		t.Errorf("got %v", m)
	}
}

// TestFilterTooExpensive: a filter that costs too much on a record ends its own
// subscription in front of that record, and no other.
func TestFilterTooExpensive(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t, auth.Grant{Subscribe: []string{"orders"}})
	in := start(t, o)
	s := in.dial("", tokenOf(t, "reader", nil))
	s.send(`{"type":"subscribe","id":"dear","stream":"orders","filter":"data.items.exists(i, i == 7.0)"}`)
	s.until("subscribed")
	s.send(`{"type":"subscribe","id":"cheap","stream":"orders","filter":"data.n >= 0"}`)
	s.until("subscribed")
	in.topics.Append("orders", record.Record{Value: []byte(`{"n":0,"items":[` + strings.Repeat("1,", 5000) + `1]}`)})
	in.topics.Append("orders", record.Record{Value: []byte(`{"n":1,"items":[7]}`)})
	ended, offsets := false, []float64{}
	for len(offsets) < 2 || !ended {
		switch m := s.next(); m.str("type") {
		case "unsubscribed":
			ended = m.str("id") == "dear" && m.str("reason") == "filter_failed"
		case "event":
			offsets = append(offsets, m["offset"].(float64))
		}
	}
	if !slices.Equal(offsets, []float64{0, 1}) {
		t.Errorf("the other subscription has %v", offsets)
	}
}

// TestRowRights: what a principal reads is what its grants let it read, however it asks.
func TestRowRights(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t,
		auth.Grant{When: map[string]string{"role": "user"}, Subscribe: []string{"orders"}, Filter: "key == claims.sub", Replay: auth.ReplayUnlimited},
		auth.Grant{When: map[string]string{"role": "tenant"}, Subscribe: []string{"orders"}, Filter: "data.of in claims.owners", Replay: auth.ReplayUnlimited},
		auth.Grant{When: map[string]string{"role": "auditor"}, Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited},
		auth.Grant{When: map[string]string{"extra": "small"}, Subscribe: []string{"orders"}, Filter: "data.n < 6"},
	)
	in := start(t, o)
	in.writeRows(0, 30)
	for _, c := range []struct {
		subject string
		claims  map[string]any
		query   string
		passes  func(n int) bool
	}{
		{"u1", map[string]any{"role": "user"}, "", func(n int) bool { return n%3 == 1 }},
		{"u1", map[string]any{"role": "user"}, "key=u2", func(int) bool { return false }},
		{"u1", map[string]any{"role": "user"}, "filter=" + url.QueryEscape(`true || key == "u2"`), func(n int) bool { return n%3 == 1 }},
		{"nobody", map[string]any{"role": "user"}, "", func(int) bool { return false }},
		{"x", map[string]any{"role": "tenant", "owners": []string{"u0", "u2"}}, "", func(n int) bool { return n%3 != 1 }},
		{"x", map[string]any{"role": "tenant", "owners": []string{}}, "", func(int) bool { return false }},
		{"x", map[string]any{"role": "tenant"}, "", func(int) bool { return false }},
		{"x", map[string]any{"role": "tenant", "owners": []string{"u0", "u2"}}, "filter=" + url.QueryEscape("data.n > 20"), func(n int) bool { return n%3 != 1 && n > 20 }},
		{"x", map[string]any{"role": "auditor"}, "", func(int) bool { return true }},
		{"u1", map[string]any{"role": "user", "extra": "small"}, "", func(n int) bool { return n%3 == 1 || n < 6 }},
		{"u1", map[string]any{"role": []string{"user", "auditor"}}, "", func(int) bool { return true }},
	} {
		var want []int
		for n := range 30 {
			if c.passes(n) {
				want = append(want, n)
			}
		}
		if got := in.numbersOf(c.query, tokenOf(t, c.subject, c.claims)); !slices.Equal(got, want) {
			t.Errorf("%s %v, %s: %v, want %v", c.subject, c.claims, c.query, got, want)
		}
	}
}

// TestPublishRights: of a batch, only the records that the grant lets the principal
// publish are stored.
func TestPublishRights(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t, auth.Grant{Publish: []string{"orders"}, PublishFilter: `key == claims.sub && data.n < 10 && headers["kind"] == "a"`})
	in := start(t, o)
	token := tokenOf(t, "u1", nil)
	for body, want := range map[string]int{
		`{"key":"u1","headers":[["kind","a"]],"data":{"n":1}}`:   http.StatusOK,
		`{"key":"u2","headers":[["kind","a"]],"data":{"n":1}}`:   http.StatusForbidden,
		`{"key":"u1","headers":[["kind","a"]],"data":{"n":10}}`:  http.StatusForbidden,
		`{"key":"u1","headers":[["kind","b"]],"data":{"n":1}}`:   http.StatusForbidden,
		`{"key":"u1","headers":[["kind","a"]],"data":"text"}`:    http.StatusForbidden,
		`{"headers":[["kind","a"]],"data":{"n":1}}`:              http.StatusForbidden,
		`{"key":"u1","headers":[["kind","a"]],"tombstone":true}`: http.StatusForbidden,
	} {
		status, _, answer := in.do(http.MethodPost, "/v1/streams/orders/records", token, body, "Content-Type", "application/json")
		if status != want || want != http.StatusOK && !strings.Contains(answer, `"forbidden"`) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	s := in.dial("", token)
	s.send(`{"type":"publish","id":"p","stream":"orders","records":[{"key":"u1","headers":[["kind","a"]],"data":{"n":2}},{"key":"u2","headers":[["kind","a"]],"data":{"n":2}}]}`)
	m := s.until("published")
	if results := fmt.Sprint(m["results"]); m["failed"] != 1.0 || !strings.Contains(results, "code:forbidden") {
		t.Errorf("got %v", m)
	}
	if stored := in.topics.Append("orders", record.Record{}); stored != 2 {
		t.Errorf("%d records are stored", stored)
	}
}

// TestRightsThatReachBackDifferently: a record may be read as far back as one of the
// grants that let it be read reaches.
func TestRightsThatReachBackDifferently(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t,
		auth.Grant{Subscribe: []string{"orders"}, Filter: "key == claims.sub", Replay: auth.ReplayUnlimited},
		auth.Grant{Subscribe: []string{"orders"}, Filter: `headers["kind"] == "public"`, Replay: time.Hour},
		auth.Grant{Subscribe: []string{"orders"}, Filter: `data.n == 7`},
	)
	in := start(t, o)
	n := 0
	write := func(age time.Duration, key, kind string, value int) {
		in.topics.Append("orders", record.Record{
			Key: []byte(key), Value: fmt.Appendf(nil, `{"n":%d}`, value), Timestamp: time.Now().Add(-age).UnixMilli(),
			Headers: []record.Header{{Name: []byte("kind"), Value: []byte(kind)}},
		})
		n++
	}
	write(5*time.Hour, "u1", "x", 0)         // 0: own, old
	write(4*time.Hour, "u2", "public", 0)    // public, too old
	write(3*time.Hour, "u2", "x", 7)         // too old
	write(30*time.Minute, "u2", "public", 0) // 3
	write(29*time.Minute, "u2", "x", 7)      // older than the resume window
	write(time.Minute, "u2", "x", 7)         // 5
	write(time.Minute, "u2", "x", 8)         // by no grant
	write(0, "u1", "x", 0)                   // 7
	token := tokenOf(t, "u1", nil)
	p := in.page("orders", "limit=100&from=earliest", token)
	if !equal(p.offsets(), []int64{0, 3, 5, 7}) || len(p.Gaps) > 0 {
		t.Errorf("records %v, gaps %v", p.offsets(), p.Gaps)
	}
	s := in.dial("?stream=orders", token)
	s.until("caught_up")
	write(2*time.Hour, "u2", "public", 0) // written now, whatever its timestamp
	if m := s.until("event"); m["offset"] != 8.0 {
		t.Errorf("live: %v", m)
	}
}

// TestRightsChangeInRunningSessions: replaced grants take effect before the next record,
// in every kind of session, and not in sessions whose rights stay.
func TestRightsChangeInRunningSessions(t *testing.T) {
	t.Parallel()
	all := auth.Grant{Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited}
	own := auth.Grant{Subscribe: []string{"orders"}, Filter: "key == claims.sub", Replay: auth.ReplayUnlimited}
	ownToo := auth.Grant{When: map[string]string{"role": "user"}, Subscribe: []string{"orders"}, Filter: `key == claims.sub`, Replay: auth.ReplayUnlimited}
	for name, c := range map[string]struct {
		before, after []auth.Grant
		reason        string // "" if the subscription goes on
	}{
		"narrower":      {[]auth.Grant{all}, []auth.Grant{own}, "rights_changed"},
		"wider":         {[]auth.Grant{own}, []auth.Grant{all}, "rights_changed"},
		"none":          {[]auth.Grant{all}, nil, "forbidden"},
		"the same":      {[]auth.Grant{all}, []auth.Grant{all}, ""},
		"the same rows": {[]auth.Grant{own}, []auth.Grant{own, ownToo}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, a := withFilters(t, c.before...)
			in := start(t, o)
			token := tokenOf(t, "u0", map[string]any{"role": "user"})
			s := in.dial("?stream=orders", token)
			s.until("caught_up")
			e := in.reads("/v1/streams/orders/events", token)
			e.until("sluice.caught_up")
			waiting := make(chan int, 1)
			go func() {
				status, _, _ := in.do(http.MethodGet, "/v1/streams/orders/records?from=latest&wait=20s", token, "")
				waiting <- status
			}()
			in.eventually("a page waits", func() bool { return in.metric(`sluice_sessions{protocol="page"}`) == 1 })
			news := in.dial("?stream=public.news", token)
			news.until("caught_up")

			if err := a.SetGrants(append(c.after, auth.Grant{Anonymous: true, Subscribe: []string{"public.news"}})); err != nil {
				t.Fatal(err)
			}
			in.server.RightsChanged()
			in.writeRows(0, 2) // of u0 and u1
			if c.reason == "" {
				if m := s.until("event"); m["offset"] != 0.0 {
					t.Errorf("WebSocket: %v", m)
				}
				if m := e.until("").json(t); m["offset"] != 0.0 {
					t.Errorf("events: %v", m)
				}
				if status := <-waiting; status != http.StatusOK {
					t.Errorf("page: %d", status)
				}
			} else {
				if m := s.next(); m.str("type") != "unsubscribed" || m.str("reason") != c.reason || (m["retryable"] == true) != (c.reason == "rights_changed") {
					t.Errorf("WebSocket: %v", m)
				}
				action := map[string]string{"rights_changed": "resume", "forbidden": "stop"}[c.reason]
				e.closesWith(c.reason, action, action == "stop")
				want := map[string]int{"rights_changed": http.StatusServiceUnavailable, "forbidden": http.StatusForbidden}[c.reason]
				if status := <-waiting; status != want {
					t.Errorf("page: %d, want %d", status, want)
				}
			}
			in.publish("public.news", 0, 0, 1)
			if m := news.until("event"); m["offset"] != 0.0 {
				t.Errorf("another stream: %v", m)
			}
		})
	}
}

// TestUnusableFiltersOfRights: a token whose right has a filter that is at fault is refused,
// and so is a right that cannot be used with the claims of the principal. Neither is a fault of
// the server, and what is logged names neither.
func TestUnusableFiltersOfRights(t *testing.T) {
	t.Parallel()
	language, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range map[string]auth.FilterCheck{
		"checked": func(_ auth.Action, filter string) error {
			if _, err := language.PublishRule(filter); err != nil {
				return errors.New("line 1, column 1")
			}
			return nil
		},
		"not checked": nil,
	} {
		a, err := auth.New(auth.Config{
			Issuers: []auth.Issuer{{
				Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret,
				AuthorizationDetails: []string{"orders"},
			}},
			CheckFilter: check,
		})
		if err != nil {
			t.Fatal(err)
		}
		log := &journal{}
		in := start(t, options{config: func(c *transport.Config) {
			c.Auth, c.Filters, c.Rights = a, language, rights.New(language)
			c.Ingest = ingest.New(c.Hub, nil, []ingest.Step{ingest.Allowed{}})
			c.Logger = slog.New(slog.NewTextHandler(log, nil))
		}})
		right := func(filter string) string {
			return tokenOf(t, "u", map[string]any{"list": strings.Repeat("x", 5000), "authorization_details": []any{
				map[string]any{"type": "sluice", "actions": []any{"subscribe", "publish"}, "streams": []any{"orders"}, "filter": filter},
			}})
		}
		for filter, want := range map[string]int{
			"key == ":                          http.StatusUnauthorized,
			"offset > 1":                       http.StatusUnauthorized,
			"1 + 1":                            http.StatusUnauthorized,
			strings.Repeat("secret", 1000):     http.StatusUnauthorized,
			`size(claims.list + "") > 2000000`: http.StatusForbidden, // costs too much, for each principal with such a claim
			"true":                             http.StatusOK,
		} {
			if check == nil && want == http.StatusUnauthorized {
				want = http.StatusForbidden
			}
			read, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?from=earliest", right(filter), "")
			if check == nil && filter == "offset > 1" {
				read = want // which a reader may ask for
			}
			if read != want {
				t.Errorf("%s: %.20s: reading: %d %s", name, filter, read, body)
			}
			if want == http.StatusOK {
				want = http.StatusCreated
			}
			if stored, _, body := in.do(http.MethodPost, "/v1/streams/orders/records", right(filter), `{"data":1}`); stored != want && (want != http.StatusCreated || stored >= 300) {
				t.Errorf("%s: %.20s: publishing: %d %s", name, filter, stored, body)
			}
		}
		if text := log.text(); strings.Contains(text, "secretsecret") || !strings.Contains(text, "correct it") {
			t.Errorf("%s: the log is\n%.2000s", name, text)
		}
	}
}
