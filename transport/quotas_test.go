package transport_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/ingest"
	"sluice/hub/ingest/quota"
	"sluice/transport"
)

// withQuotas has the instance's publishes pass quotas.
func withQuotas(t *testing.T, rules quota.Rules) options {
	t.Helper()
	return options{open: []string{"open"}, config: func(c *transport.Config) {
		q, err := quota.New(quota.Config{Rules: rules, Tracked: 100, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		c.Ingest, c.Quotas = ingest.New(c.Hub, []ingest.Step{q}, nil), q
	}}
}

func batchOf(n int) string {
	return `{"records":[` + strings.TrimSuffix(strings.Repeat(`{"data":1},`, n), ",") + `]}`
}

// TestQuotasOverHTTP: a request that a quota does not admit is refused as a whole with 429,
// with the time at which it would be admitted, and each answer says what is left.
func TestQuotasOverHTTP(t *testing.T) {
	t.Parallel()
	in := start(t, withQuotas(t, quota.Rules{Set: quota.Set{
		// They refill so slowly that the time that the test takes makes no difference.
		Principal: &quota.Rule{Records: 0.005, Bytes: 0.01, Burst: 2000 * time.Second},
		Stream:    &quota.Rule{Records: 1000, Burst: time.Second},
	}}))
	tok := token(t, "u", "live", time.Hour)
	post := func(body string) (int, http.Header, string) {
		t.Helper()
		return in.do(http.MethodPost, publishPath, tok, body, "Content-Type", "application/json")
	}
	status, head, body := post(batchOf(8))
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if got, want := head.Get("RateLimit-Policy"), `"principal-records";q=10;w=2000;qu="records", "principal-bytes";q=20;w=2000;qu="record-bytes"`; got != want {
		t.Errorf("RateLimit-Policy: %s", got)
	}
	if got := head.Get("RateLimit"); !regexp.MustCompile(`^"principal-records";r=2;t=1[456].., "principal-bytes";r=12;t=[678]..$`).MatchString(got) {
		t.Errorf("RateLimit: %s", got)
	}

	status, head, body = post(batchOf(5))
	m := in.problem(t, status, head, body, http.StatusTooManyRequests, "rate_limited")
	wait, _ := m["retry_after_ms"].(float64)
	if wait < 500_000 || wait > 600_000 || m["retryable"] != true || head.Get("Retry-After") == "" || head.Get("RateLimit") == "" {
		t.Errorf("got %v, %v", m, head)
	}
	status, head, body = post(batchOf(11))
	if m := in.problem(t, status, head, body, http.StatusRequestEntityTooLarge, "too_large"); m["retryable"] != false {
		t.Errorf("got %v", m)
	}
	status, head, body = post(`{"data":"` + strings.Repeat("x", 30) + `"}`)
	if m := in.problem(t, status, head, body, http.StatusRequestEntityTooLarge, "record_too_large"); m["retryable"] != false {
		t.Errorf("got %v", m)
	}
	for reason, want := range map[string]float64{"quota_principal_records": 5 + 11, "quota_principal_bytes": 1} {
		if got := in.metric(`sluice_publish_refusals_total{reason="` + reason + `"}`); got != want {
			t.Errorf("%v records refused for %s, want %v", got, reason, want)
		}
	}
	// An anonymous client has no quota of a principal, and nothing to be told.
	status, head, body = in.do(http.MethodPost, "/v1/streams/open/records", "", batchOf(20), "Content-Type", "application/json")
	if status != http.StatusOK || head.Get("RateLimit") != "" {
		t.Errorf("%d %v %s", status, head, body)
	}
}

// TestNothingOvertakesAPublishThatAQuotaRefused: until the time in the refusal, what a
// session publishes to the same stream is refused, too, even if it fits.
func TestNothingOvertakesAPublishThatAQuotaRefused(t *testing.T) {
	t.Parallel()
	in := start(t, withQuotas(t, quota.Rules{Set: quota.Set{Principal: &quota.Rule{Records: 2, Burst: 5 * time.Second}}}))
	tok := token(t, "u", "live", time.Hour)
	c := in.dial("", tok)
	send := func(id, stream string, n int) {
		c.send(`{"type":"publish","id":%q,"stream":%q,%s`, id, stream, batchOf(n)[1:])
	}
	send("first", "orders", 5)
	send("large", "orders", 7)
	send("small", "orders", 1)
	send("other", "open", 1)
	answers, last := map[string]message{}, 0.0
	for range 4 {
		m := c.answer()
		answers[m.str("id")] = m
	}
	if first := answers["first"]; first.str("type") != "published" {
		t.Errorf("got %v", first)
	}
	for _, id := range []string{"large", "small"} {
		m := answers[id]
		wait, _ := m["retry_after_ms"].(float64)
		if m.str("code") != "rate_limited" || wait <= 0 || wait > 1100 || last > 0 && wait > last {
			t.Errorf("%s: %v", id, m)
		}
		last = wait
	}
	if other := answers["other"]; other.str("type") != "published" {
		t.Errorf("another stream: %v", other)
	}
	// Another session of the principal is not held back.
	d := in.dial("", tok)
	d.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	if m := d.answer(); m.str("type") != "published" {
		t.Errorf("another session: %v", m)
	}
	for n := range 5 {
		time.Sleep(time.Duration(last+1) * time.Millisecond)
		send(fmt.Sprint("again", n), "orders", 7)
		m := c.answer()
		if m.str("type") == "published" {
			return
		}
		last, _ = m["retry_after_ms"].(float64) // the others have used some
	}
	t.Error("it is never published")
}

func TestPublishesAtOnceOfAPrincipal(t *testing.T) {
	t.Parallel()
	held := &heldProducer{}
	o := withQuotas(t, quota.Rules{Set: quota.Set{Principal: &quota.Rule{Concurrent: 2}}})
	o.stream = func(s *hub.Stream) { held.Producer, s.Producer = s.Producer, held }
	in := start(t, o)
	c := in.dial("", token(t, "u", "live", time.Hour))
	for n := range 3 {
		c.send(`{"type":"publish","id":"%d","stream":"orders","data":1}`, n)
	}
	m := c.answer()
	if wait, _ := m["retry_after_ms"].(float64); m.str("id") != "2" || m.str("code") != "rate_limited" || wait <= 0 {
		t.Fatalf("got %v", m)
	}
	held.release()
	for range 2 {
		if m := c.answer(); m.str("type") != "published" {
			t.Fatalf("got %v", m)
		}
	}
	c.send(`{"type":"publish","id":"again","stream":"orders","data":1}`)
	in.eventually("it is in flight", func() bool { return held.count() == 1 })
	held.release()
	if m := c.answer(); m.str("type") != "published" {
		t.Errorf("got %v", m)
	}
}

// TestPublishesGiveWayToDeliveries: while new records wait for their delivery, publishes
// are refused with a hint, and everything else goes on.
func TestPublishesGiveWayToDeliveries(t *testing.T) {
	t.Parallel()
	var workers *transport.Workers
	in := start(t, options{
		limits: func(l *transport.Limits) { l.ShedAfter = 200 * time.Millisecond },
		config: func(c *transport.Config) { workers = c.Workers },
	})
	tok := token(t, "u", "live", time.Hour)
	post := func() (int, http.Header, string) {
		t.Helper()
		return in.do(http.MethodPost, publishPath, tok, batchOf(2), "Content-Type", "application/json")
	}
	workers.Stall(100 * time.Millisecond)
	if status, _, body := post(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	workers.Stall(time.Second)
	status, head, body := post()
	m := in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
	if wait, _ := m["retry_after_ms"].(float64); wait < 500 || wait > 1500 || head.Get("Retry-After") == "" {
		t.Errorf("got %v", m)
	}
	if got := in.metric(`sluice_publish_refusals_total{reason="load"}`); got != 2 {
		t.Errorf("%v records were refused", got)
	}
	if lag := in.metric("sluice_delivery_lag_seconds"); lag != 1 {
		t.Errorf("the lag is %v", lag)
	}
	// Deliveries that are soon end it, on each worker.
	a, b := in.dial("?stream=orders", tok), in.dial("?stream=orders", tok)
	a.until("subscribed")
	b.until("subscribed")
	in.publish("orders", 0, 0, 1)
	a.until("event")
	b.until("event")
	in.eventually("publishes are accepted again", func() bool { status, _, _ := post(); return status == http.StatusOK })
}
