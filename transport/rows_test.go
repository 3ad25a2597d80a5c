package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/transport"
)

// ownedBy passes the records whose field `of` is a subject, and fails on those where
// it is a number, or "panic".
type ownedBy string

func (subject ownedBy) Canonical() string { return "owned by " + string(subject) }

func (subject ownedBy) Passes(r *filter.Record) (bool, error) {
	text, ok := r.Field("of")
	if !ok {
		return false, nil
	}
	var of string
	if json.Unmarshal(text, &of) != nil {
		return false, errors.New("the field of is no string")
	}
	if of == "panic" {
		panic("this value is not foreseen")
	}
	return of == string(subject), nil
}

// ownRows returns the rows of the principal itself in orders, or those of the
// subject that the token names, and all rows for the subject "chief".
func ownRows(p *auth.Principal, stream string) (filter.Filter, error) {
	var claims struct{ Rows string }
	_ = json.Unmarshal(p.Claims(), &claims)
	switch {
	case stream != "orders" || p.ID() == "chief":
		return filter.Filter{}, nil
	case claims.Rows == "unknown":
		return filter.Filter{}, errors.New("what nobody may read in an answer")
	case claims.Rows != "":
		return filter.Where(ownedBy(claims.Rows)), nil
	}
	return filter.Where(ownedBy(p.ID())), nil
}

// ownRowsByField is like ownRows, with filters that are found by the field.
func ownRowsByField(p *auth.Principal, stream string) (filter.Filter, error) {
	if stream != "orders" || p.ID() == "chief" {
		return filter.Filter{}, nil
	}
	return filter.In(filter.Data("of"), filter.String(p.ID())), nil
}

// rowRights are the rights to rows that a function returns, and all rights to publish.
type rowRights func(p *auth.Principal, stream string) (filter.Filter, error)

func (of rowRights) Rows(p *auth.Principal, stream string, _ time.Duration) (hub.Rows, error) {
	rows, err := of(p, stream)
	return hub.Rows{Filter: rows}, err
}

func (rowRights) Publishes(*auth.Principal, string) (filter.Filter, error) {
	return filter.Filter{}, nil
}

// rowsToken returns a token to read orders, which names the subject whose rows it
// allows.
func rowsToken(t *testing.T, subject, rows string) string {
	t.Helper()
	text, err := auth.Mint(secret, auth.TokenClaims{
		Issuer: "test", Audience: "sluice", Subject: subject, ValidFor: time.Hour,
		More: map[string]any{"scope": "live", "rows": rows},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// writeOwned writes records to a partition of orders, of u0, u1 and u2 in turn.
func (in *instance) writeOwned(from, to int) {
	for n := from; n < to; n++ {
		in.topics.Append("orders", record.Record{
			Key: fmt.Appendf(nil, "k%d", n%2), Value: fmt.Appendf(nil, `{"of":"u%d"}`, n%3), Timestamp: time.Now().UnixMilli(),
		})
	}
}

// rowsReader returns the offsets of the next records, one or more.
type rowsReader func() []int64

func rowsBySocket(in *instance, query, tok string) rowsReader {
	s := in.dial("?stream=orders&"+query, tok)
	return func() []int64 { return []int64{int64(s.until("event")["offset"].(float64))} }
}

func rowsByLines(in *instance, query, tok string) rowsReader {
	s, _, err := in.dialWith("?stream=orders&"+query, "Authorization", "Bearer "+tok, "Sec-WebSocket-Protocol", "sluice.v1.lines")
	if err != nil {
		in.t.Fatal(err)
	}
	return func() (offsets []int64) {
		for len(offsets) == 0 {
			for _, m := range s.lines() {
				if m.str("type") == "event" {
					offsets = append(offsets, int64(m["offset"].(float64)))
				}
			}
		}
		return offsets
	}
}

func rowsByEvents(in *instance, query, tok string) rowsReader {
	s := in.reads("/v1/streams/orders/events?"+query, tok)
	return func() []int64 { return s.offsets(1)["orders/0"] }
}

func rowsByNDJSON(in *instance, query, tok string) rowsReader {
	s := in.reads("/v1/streams/orders/events?"+query, tok, "Accept", "application/x-ndjson")
	return func() []int64 {
		for {
			var m message
			line, err := s.lines.ReadBytes('\n')
			if err != nil {
				in.t.Fatalf("got %q, %v", line, err)
			}
			if len(line) > 1 && json.Unmarshal(line, &m) == nil && m.str("type") == "event" {
				return []int64{int64(m["offset"].(float64))}
			}
		}
	}
}

func rowsByPages(in *instance, query, tok string) rowsReader {
	key := ""
	if strings.Contains(query, "key=") {
		key = "&key=k1"
	}
	return func() (offsets []int64) {
		for len(offsets) == 0 {
			p := in.page("orders", query+"&limit=7&wait=5s", tok)
			offsets, query = p.offsets(), "from="+p.Cursor+key
		}
		return offsets
	}
}

// TestRowsHoldInEveryWayOfReading: the filter of a principal's rights and the filter
// that the client requests both apply, on every interface and from every start, to
// records written before and after.
func TestRowsHoldInEveryWayOfReading(t *testing.T) {
	t.Parallel()
	for kind, rows := range map[string]rowRights{"predicate": ownRows, "field": ownRowsByField} {
		for name, open := range map[string]func(in *instance, query, tok string) rowsReader{
			"websocket": rowsBySocket, "lines": rowsByLines, "events": rowsByEvents, "ndjson": rowsByNDJSON, "pages": rowsByPages,
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				testRows(t, rows, open)
			})
		}
	}
}

func testRows(t *testing.T, rows rowRights, open func(in *instance, query, tok string) rowsReader) {
	t.Helper()
	const more = 12
	in := start(t, options{config: func(c *transport.Config) { c.Rights = rows }})
	written := 60
	in.writeOwned(0, written)
	second := in.page("orders", "from=earliest&limit=1", rowsToken(t, "chief", "")).Cursor
	for _, c := range []struct {
		query string
		last  int // the number of last records to read, 0 for all
	}{
		{"from=earliest", 0},
		{"from=last:5", 5},
		{"from=" + second, 0},
		{"from=-1h", 0},
		{"from=earliest&key=k1", 0},
		{"from=last:3&key=k1", 3},
		{"from=earliest&cursor_name=job", 0},
	} {
		own := func(from, to int) (offsets []int64) {
			for n := from; n < to; n++ {
				if n%3 == 1 && (n%2 == 1 || !strings.Contains(c.query, "key=")) {
					offsets = append(offsets, int64(n))
				}
			}
			return offsets
		}
		want := own(0, written)
		if c.last > 0 {
			want = want[len(want)-c.last:]
		}
		next := open(in, c.query, rowsToken(t, "u1", ""))
		read := func(what string, want []int64) {
			var got []int64
			for len(got) < len(want) {
				got = append(got, next()...)
			}
			if !equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v", c.query, what, got, want)
			}
		}
		read("what was there", want)
		in.writeOwned(written, written+more)
		read("what is new", own(written, written+more))
		written += more
	}
}

// TestAFilterThatFailsEndsItsSubscriptionAlone: where a client's own filter fails on a
// record, only its subscription ends, before the record, with a code that reveals nothing
// of the record.
func TestAFilterThatFailsEndsItsSubscriptionAlone(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t, auth.Grant{Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited})
	in := start(t, o)
	tok := tokenOf(t, "u1", nil)
	costly := url.QueryEscape(`data.of == "u1" || data.items.exists(i, i == 7.0)`)
	chief := in.dial("?stream=orders&from=earliest", tok)
	s := in.dial("?stream=orders&filter="+costly, tok)
	s.until("caught_up")
	stream := in.reads("/v1/streams/orders/events?filter="+costly, tok)
	stream.until("sluice.caught_up")
	in.writeOwned(0, 3)
	in.topics.Append("orders", record.Record{Value: []byte(`{"of":"string","items":[` + strings.Repeat("1,", 5000) + `1]}`)})
	in.writeOwned(4, 6)

	if m := s.until("event"); m["offset"] != 1.0 {
		t.Errorf("got %v", m)
	}
	m := s.until("unsubscribed")
	cursor, err := record.ParseCursor(m.str("cursor"))
	at, _ := cursor.Position("orders")
	if m.str("reason") != "filter_failed" || m["retryable"] != false || err != nil || at.Offset(0, 0) != 3 {
		t.Errorf("got %v, at %d", m, at.Offset(0, 0))
	}
	s.send(`{"type":"ping","id":"p"}`)
	s.until("pong")

	if m := stream.closesWith("filter_failed", "stop", true); strings.Contains(fmt.Sprint(m), "string") {
		t.Errorf("it tells of the record: %v", m)
	}
	p := in.page("orders", "from=earliest&filter="+costly, tok)
	if !equal(p.offsets(), []int64{1}) {
		t.Errorf("what precedes the record is %v", p.offsets())
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/records?from="+p.Cursor+"&filter="+costly, tok, "")
	in.problem(t, status, head, body, http.StatusUnprocessableEntity, "filter_failed")
	for n := range 6 {
		if m := chief.until("event"); m["offset"] != float64(n) {
			t.Errorf("another subscription: got %v, want %d", m, n)
		}
	}
}

// TestARightThatFailsDeniesTheRecord: a record on which the filter of a right fails is not
// delivered through that right, and ends nothing: whoever reads cannot mend the filter.
func TestARightThatFailsDeniesTheRecord(t *testing.T) {
	t.Parallel()
	for kind, bad := range map[string]string{"error": `{"of":17}`, "panic": `{"of":"panic"}`} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{config: func(c *transport.Config) { c.Rights = rowRights(ownRows) }})
			tok := rowsToken(t, "u1", "")
			s := in.dial("?stream=orders", tok)
			s.until("caught_up")
			stream := in.events("/v1/streams/orders/events", tok)
			stream.until("sluice.caught_up")
			in.writeOwned(0, 3)
			in.topics.Append("orders", record.Record{Value: []byte(bad)})
			in.writeOwned(3, 9)
			want := []int64{1, 5, 8}
			for _, offset := range want {
				if m := s.until("event"); m["offset"] != float64(offset) {
					t.Errorf("got %v, want %d", m, offset)
				}
				if m := stream.until("").json(t); m["offset"] != float64(offset) {
					t.Errorf("event stream: got %v, want %d", m, offset)
				}
			}
			for _, from := range []string{"earliest", "last:3"} {
				if p := in.page("orders", "from="+from, tok); !equal(p.offsets(), want) {
					t.Errorf("a page from %s has %v, want %v", from, p.offsets(), want)
				}
			}
			if got := in.metric(`sluice_stream_undecided_records_total{stream="orders"}`); got < 1 {
				t.Errorf("%v records are counted on which the right failed", got)
			}
		})
	}
}

// TestRenewalsKeepTheRows: a renewal with a token of other rows ends a subscription,
// and one with a token of the same rows keeps it.
func TestRenewalsKeepTheRows(t *testing.T) {
	t.Parallel()
	for rows, reason := range map[string]string{"u1": "", "": "rights_changed", "u2": "rights_changed", "unknown": "forbidden"} {
		t.Run(rows, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{config: func(c *transport.Config) { c.Rights = rowRights(ownRows) }})
			s := in.dial("?stream=orders&from=earliest", rowsToken(t, "u0", "u1"))
			s.until("caught_up")
			s.send(`{"type":"auth","id":"r","token":%q}`, rowsToken(t, "u0", rows))
			s.until("authenticated")
			in.writeOwned(0, 3)
			if reason == "" {
				if m := s.until("event"); m["offset"] != 1.0 {
					t.Errorf("got %v", m)
				}
				return
			}
			if m := s.next(); m.str("type") != "unsubscribed" || m.str("reason") != reason {
				t.Errorf("got %v", m)
			}
		})
	}
}

// TestRowsThatAreUnknown: if the rows of a principal cannot be determined, nothing
// is delivered, and the reason is not sent.
func TestRowsThatAreUnknown(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.Rights = rowRights(ownRows) }})
	in.writeOwned(0, 3)
	tok := rowsToken(t, "u1", "unknown")
	for _, path := range []string{"records?from=earliest", "events?from=earliest"} {
		status, _, body := in.do(http.MethodGet, "/v1/streams/orders/"+path, tok, "")
		if status != http.StatusInternalServerError || !strings.Contains(body, `"code":"internal"`) || strings.Contains(body, "nobody") {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	s := in.dial("", tok)
	s.until("welcome")
	s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"}`)
	if m := s.until("error"); m.str("code") != "internal" || strings.Contains(fmt.Sprint(m), "nobody") {
		t.Errorf("got %v", m)
	}
}

// TestRefusedOffsetsDoNotTellTheEnd: how far a partition reaches tells of records that the
// principal may not see.
func TestRefusedOffsetsDoNotTellTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, options{config: func(c *transport.Config) { c.Rights = rowRights(ownRows) }}, func(t *testing.T, in *instance) {
		in.writeOwned(0, 9)
		for subject, tells := range map[string]bool{"u1": false, "chief": true} {
			tok := token(t, subject, "live", time.Hour)
			var told []string
			_, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?from=offset:0:77", tok, "")
			told = append(told, body)
			_, _, body = in.do(http.MethodGet, "/v1/streams/orders/events?from=offset:0:77", tok, "")
			told = append(told, body)
			s := in.dial("", tok)
			s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"offset:0:77"}`)
			told = append(told, fmt.Sprint(s.fails("a", "bad_request")))
			for _, text := range told {
				if !strings.Contains(text, "bad_request") || strings.Contains(text, "ends at offset 9") != tells {
					t.Errorf("%s is told: %s", subject, text)
				}
			}
			_, _, body = in.do(http.MethodGet, "/v1/streams/orders/records?from=offset:7:1", tok, "")
			if !strings.Contains(body, "no partition 7: it has 2") {
				t.Errorf("%s is told of partitions: %s", subject, body)
			}
		}
	})
}
