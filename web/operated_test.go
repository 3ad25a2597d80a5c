package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/web"
)

// hostile is a name that somebody chose to do harm to a page that shows it.
const hostile = "<img src=x onerror=\"document.title='owned'\">\u202e\"'&\n</td>"

// operated is a server with sessions, cursors and metrics, as operators see it.
type operated struct {
	t *testing.T

	mu        sync.Mutex
	principal map[string]any // what /v1/principal answers
	instance  string
	started   time.Time
	sessions  []map[string]any
	cursors   []map[string]any
	checks    map[string]string
	degraded  []string
	metrics   string
	acts      []string // methods, paths and bodies of requests that change something
	away      bool     // requests for administration are not answered with a success
}

func newOperated(t *testing.T, sessions int) *operated {
	t.Helper()
	o := &operated{
		t: t, principal: map[string]any{"principal": "ops@example.com", "anonymous": false, "admin": true},
		instance: "sluice-7d9f", started: time.Now().Add(-26 * time.Hour),
		checks: map[string]string{"drain": "ok", "kafka main": "ok", "redis": "ok", "issuers": "ok"},
	}
	for n := range sessions {
		o.sessions = append(o.sessions, newSession(n))
	}
	o.cursors = []map[string]any{
		{
			"stream": "orders", "name": "web-7", "principal": "user:fleet:u1", "subject": "u1", "issuer": "fleet", "stored_at": time.Now().Add(-time.Minute).UnixMilli(),
			"position": positionOf(120, 88, 101), "lag_records": 12, "held": false,
		},
		{
			"stream": "orders", "name": "audit@2:eu", "principal": "user:fleet:" + url.QueryEscape(hostile), "subject": hostile, "issuer": "fleet", "stored_at": time.Now().Add(-24 * time.Hour).UnixMilli(),
			"position": positionOf(1), "lag_records": 90210, "held": true,
		},
	}
	return o
}

// positionOf returns a position of partitions in order.
func positionOf(offsets ...int) map[string]any {
	places := []map[string]int{}
	for partition, offset := range offsets {
		places = append(places, map[string]int{"partition": partition, "offset": offset})
	}
	return map[string]any{"partitions": places}
}

// newSession returns one of many sessions.
func newSession(n int) map[string]any {
	protocol := []string{"websocket", "sse", "websocket", "mqtt"}[n%4]
	state := []string{"live", "live", "replaying", "paused"}[n%4]
	subscriptions := []map[string]any{{"id": "a", "stream": "market.ticks", "state": state, "lag_records": n % 7 * 13}}
	if n%3 == 0 {
		subscriptions = append(subscriptions, map[string]any{
			"id": "b", "stream": "orders", "state": "live", "lag_records": 0, "lag_ms": 12, "cursor_name": "web-7",
			"filter": `data.total > 100 && data.region == "eu"`, "key": "eu-991",
		})
	}
	return map[string]any{
		"session": fmt.Sprintf("s%05d", n), "principal": fmt.Sprintf("user-%d@example.com", n), "anonymous": false, "protocol": protocol,
		"address": fmt.Sprintf("203.0.113.%d:%d", n%250, 40000+n%20000), "started": time.Now().Add(-time.Duration(n*37) * time.Second).UnixMilli(),
		"expires_at":   time.Now().Add(time.Hour).UnixMilli(),
		"sent_records": 1000 * n, "sent_bytes": 210000 * n, "buffered_bytes": n % 5 * 1000, "subscriptions": subscriptions,
	}
}

func (o *operated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	path := strings.TrimPrefix(r.URL.Path, "/v1/admin")
	if path != r.URL.Path && o.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		answer(map[string]any{"title": "Service Unavailable", "status": 503, "detail": "too much is asked for", "code": "overloaded"})
		return
	}
	switch {
	case r.URL.Path == "/v1/principal":
		answer(o.principal)
	case r.URL.Path == "/v1/streams":
		answer(map[string]any{"streams": []any{}})
	case path == r.URL.Path:
		w.Header().Del("Content-Type")
		web.Handler().ServeHTTP(w, r)
	case r.Method != http.MethodGet:
		body, _ := io.ReadAll(r.Body)
		o.act(r.Method, r.URL.RequestURI(), string(body))
		answer(map[string]any{"position": positionOf(5)})
	case path == "/sessions":
		o.page(r, answer)
	case path == "/cursors" && r.URL.Query().Get("after") == "":
		answer(map[string]any{"cursors": []any{}, "next": "the rest"}) // a page may have none
	case path == "/cursors":
		answer(map[string]any{"cursors": o.cursors})
	case path == "/instance":
		answer(map[string]any{
			"instance": o.instance, "version": "1.4.0", "started": o.started.UnixMilli(), "sessions": len(o.sessions),
			"ready": map[string]any{"checks": o.checks, "degraded": o.degraded, "ready": len(o.degraded) > 0 || !strings.Contains(fmt.Sprint(o.checks), "no broker")},
		})
	case path == "/streams":
		answer(map[string]any{"sessions": len(o.sessions), "streams": []map[string]any{
			{
				"stream": "orders", "topic": "shop.orders", "partitions": 3, "reading": true, "live": true, "since": time.Now().Add(-time.Hour).UnixMilli(),
				"subscribers": 41, "log_bytes": 3 << 20, "records_read": 120400, "fell_behind": 3, "gaps_reported": map[string]int{"retention": 2, hostile: 1},
			},
			{"stream": "market.ticks", "topic": "market.ticks", "topic_missing": true, "gaps_reported": map[string]int{}},
		}})
	case path == "/metrics":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, o.metrics)
	default:
		http.NotFound(w, r)
	}
}

// page answers with sessions in the order of their ids.
func (o *operated) page(r *http.Request, answer func(any)) {
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	page, total, next, last := []map[string]any{}, 0, "", ""
	place := func(s map[string]any) string { return s["session"].(string) }
	byLag := query.Get("order") == "lag_records"
	if byLag {
		place = func(s map[string]any) string { return fmt.Sprintf("%09d/%s", 999_999_999-lagOf(s), s["session"]) }
	}
	// Each place is worked out once: the page gives up an answer that takes long.
	type placed struct {
		at      string
		session map[string]any
	}
	all := make([]placed, len(o.sessions))
	for i, s := range o.sessions {
		all[i] = placed{place(s), s}
	}
	if byLag {
		slices.SortFunc(all, func(a, b placed) int { return strings.Compare(a.at, b.at) })
	}
	for _, one := range all {
		s := one.session
		if p := query.Get("principal"); p != "" && s["principal"] != p {
			continue
		}
		if name := query.Get("stream"); name != "" && !strings.Contains(fmt.Sprint(s["subscriptions"]), "stream:"+name) {
			continue
		}
		total++
		switch {
		case one.at <= query.Get("after"):
		case len(page) == limit:
			next = last
		default:
			page, last = append(page, s), one.at
		}
	}
	made := map[string]any{"sessions": page, "total": total}
	if next != "" {
		made["next"] = next
	}
	answer(made)
}

// lagOf returns the lag of the first subscription of a session.
func lagOf(s map[string]any) int {
	return s["subscriptions"].([]map[string]any)[0]["lag_records"].(int)
}

// act notes a request that changes something. A kicked session is gone.
func (o *operated) act(method, uri, body string) {
	o.acts = append(o.acts, strings.TrimSpace(method+" "+uri+" "+body))
	if id, ok := strings.CutPrefix(uri, "/v1/admin/sessions/"); ok && method == http.MethodDelete {
		o.end(id)
	}
}

// end ends a session.
func (o *operated) end(id string) {
	for i, s := range o.sessions {
		if s["session"] == id {
			o.sessions = append(o.sessions[:i:i], o.sessions[i+1:]...)
			return
		}
	}
}

func (o *operated) change(how func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	how()
}

// acted returns the requests that changed something.
func (o *operated) acted() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.acts...)
}

// show opens a view of the console in a browser, and fails the test if a script of the page
// throws.
func (o *operated) show(hash string) context.Context {
	o.t.Helper()
	ctx := browser(o.t)
	var mu sync.Mutex
	var faults []string
	err := chromedp.Listen(ctx, func(event any) {
		if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, fmt.Sprintf("%s:%d: %s %+v", thrown.ExceptionDetails.URL, thrown.ExceptionDetails.LineNumber,
				thrown.ExceptionDetails.Text, thrown.ExceptionDetails.Exception))
		}
	})
	if err != nil {
		o.t.Fatal(err)
	}
	server := httptest.NewServer(o)
	o.t.Cleanup(server.Close)
	o.t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if len(faults) > 0 {
			o.t.Error(strings.Join(faults, "\n"))
		}
	})
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"+hash)); err != nil {
		o.t.Fatal(err)
	}
	return ctx
}
