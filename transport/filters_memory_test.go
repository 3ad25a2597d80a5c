package transport_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/transport"
)

// filterOfSize returns the text of a filter that takes some 100 KB, one for each n.
func filterOfSize(n int) string {
	return strings.Repeat(fmt.Sprintf("data.x>%d||", n), 200) + "false"
}

// TestMemoryOfFilters: what the filters of a client take is bounded in all its sessions
// together, counts once if several subscriptions have one, and is given back however a
// subscription ends, or fails to begin.
func TestMemoryOfFilters(t *testing.T) {
	t.Parallel()
	o, _ := withFilters(t, auth.Grant{Subscribe: []string{"orders", "market.*"}, Replay: auth.ReplayUnlimited})
	o.limits = func(l *transport.Limits) { l.FiltersPerSession, l.ErrorsPerMinute = 0, 0 }
	in := start(t, o)
	in.writeRows(0, 2)
	const used = `sluice_filter_bytes{use="used"}`
	const share = 8 << 20 / 8
	var (
		sockets []*socket
		got     int
		code    string
	)
	// subscribe returns the code of the error, empty if there is none.
	subscribe := func(s *socket, id, filter, more string) string {
		s.send(`{"type":"subscribe","id":%q,"stream":"orders","filter":%q%s}`, id, filter, more)
		for {
			switch m := s.next(); m.str("type") {
			case "subscribed":
				return ""
			case "error":
				return m.str("code")
			}
		}
	}
	for n := 0; code == "" && n < 100; n++ {
		if n%5 == 0 {
			sockets = append(sockets, in.dial("", tokenOf(t, "many", nil)))
		}
		if code = subscribe(sockets[len(sockets)-1], fmt.Sprint(n), filterOfSize(n), ""); code == "" {
			got++
		}
	}
	if bytes := in.metric(used); code != "subscription_limit" || len(sockets) < 2 || bytes > share || bytes < share/2 {
		t.Fatalf("%d filters in %d sessions take %v bytes, and then %q", got, len(sockets), bytes, code)
	}
	before := in.metric(used)
	// The same filter again, a page with it, and the filter of another client.
	if code := subscribe(in.dial("", tokenOf(t, "many", nil)), "again", filterOfSize(0), ""); code != "" {
		t.Errorf("the same filter again: %s", code)
	}
	in.page("orders", "from=earliest&filter="+url.QueryEscape(filterOfSize(0)), tokenOf(t, "many", nil))
	if after := in.metric(used); after != before {
		t.Errorf("the same filter takes %v bytes", after-before)
	}
	if status, _, body := in.do(http.MethodGet, "/v1/streams/orders/records?filter="+url.QueryEscape(filterOfSize(1000)), tokenOf(t, "many", nil), ""); status != http.StatusTooManyRequests || !strings.Contains(body, "subscription_limit") {
		t.Errorf("a page with one filter more: %d %s", status, body)
	}
	other := in.dial("", tokenOf(t, "other", nil))
	if code := subscribe(other, "a", filterOfSize(2000), ""); code != "" {
		t.Errorf("another client: %s", code)
	}
	// What fails to begin holds nothing.
	held := in.metric(used)
	for id, more := range map[string]string{"cursor": `,"from":"cursor:AAAA"`, "name": `,"cursor_name":"x"`, "a": "", "offsets": `,"from":"offset:9@1"`} {
		if code := subscribe(other, id, filterOfSize(3000), more); code == "" {
			t.Errorf("%s begins", id)
		}
	}
	if after := in.metric(used); after != held {
		t.Errorf("what has not begun holds %v bytes", after-held)
	}
	// An end of a subscription makes room.
	first := sockets[0]
	first.send(`{"type":"unsubscribe","id":"1"}`)
	first.until("unsubscribed")
	if code := subscribe(first, "one more", filterOfSize(4000), ""); code != "" {
		t.Errorf("after an end: %s", code)
	}
	_ = other.Close(websocket.StatusNormalClosure, "")
	for _, s := range sockets {
		_ = s.CloseNow()
	}
	in.eventually("all but the one subscription is given back", func() bool { return in.metric(used) < 2*before/float64(got) })
}
