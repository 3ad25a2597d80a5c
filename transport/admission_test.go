package transport_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"sluice/transport"
)

// Metrics of the admissions held, by what they count for.
const (
	byAddress   = `sluice_admissions{by="address"}`
	byPrincipal = `sluice_admissions{by="principal"}`
)

// TestLongPollsCountAsSessions: pages that wait count against the limits of
// sessions, and other requests do not.
func TestLongPollsCountAsSessions(t *testing.T) {
	t.Parallel()
	const perPrincipal, perAddress = 3, 5
	in := start(t, options{limits: func(l *transport.Limits) {
		l.SessionsPerPrincipal, l.SessionsPerAddress = perPrincipal, perAddress
	}})
	tok, other := token(t, "u42", "live", time.Hour), token(t, "u43", "live", time.Hour)
	orders := "/v1/streams/orders/records?from=" + in.page("orders", "from=latest", tok).Cursor
	news := "/v1/streams/public.news/records?from=" + in.page("public.news", "from=latest", "").Cursor
	var polls sync.WaitGroup
	poll := func(path, token string) {
		polls.Go(func() {
			if status, _, body := in.do(http.MethodGet, path+"&wait=30s", token, ""); status != http.StatusOK {
				t.Errorf("%s: got %d %s", path, status, body)
			}
		})
	}
	refused := func(path, token string) {
		t.Helper()
		status, head, body := in.do(http.MethodGet, path, token, "")
		if m := in.problem(t, status, head, body, http.StatusTooManyRequests, "too_many_sessions"); m["retry_after_ms"] == nil {
			t.Errorf("got %v", m)
		}
	}
	for range perPrincipal {
		poll(orders, tok)
	}
	in.sampleBecomes(byPrincipal, perPrincipal)
	in.sampleBecomes(`sluice_sessions{protocol="page"}`, perPrincipal)
	refused(orders+"&wait=30s", tok)
	refused("/v1/streams/orders/events", tok)
	in.page("orders", "from=latest", tok)
	if status, _, body := in.do(http.MethodPost, publishPath, token(t, "u42", "write", time.Hour), "?", "Content-Type", "text/plain"); status != http.StatusOK {
		t.Errorf("a publish: %d %s", status, body)
	}
	polls.Wait() // that record ends them
	in.sampleBecomes(byAddress, 0)
	in.sampleBecomes(byPrincipal, 0)

	for range perAddress {
		poll(news, "")
	}
	in.sampleBecomes(byAddress, perAddress)
	refused(news+"&wait=30s", "")
	refused(orders+"&wait=30s", other)
	in.page("public.news", "from=latest", "")
	in.publish("public.news", 0, 0, 1)
	polls.Wait()
	in.sampleBecomes(byAddress, 0)
	if got := in.sample(`sluice_sessions{protocol="page"}`); got != 0 {
		t.Errorf("%v pages wait", got)
	}
}
