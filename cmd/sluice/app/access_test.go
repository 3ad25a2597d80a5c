package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAccessByWebhookAndProxy: what the configuration says about a webhook and a
// trusted proxy reaches every part that needs it.
func TestAccessByWebhookAndProxy(t *testing.T) {
	t.Parallel()
	servers := embed(t)

	var mu sync.Mutex
	asked := make(map[string]int)
	allowed := "open"
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question struct {
			Event, Stream string
			Credential    struct{ Token string }
			Headers       http.Header
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &question)
		mu.Lock()
		asked[question.Event]++
		allow := question.Stream == allowed
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("Authorization") != "Bearer "+strings.Repeat("s", 24):
			w.WriteHeader(http.StatusTeapot)
		case question.Event == "connect" && question.Credential.Token == "good" && question.Headers.Get("X-Tenant") == "a":
			_, _ = io.WriteString(w, `{"subject":"u42","claims":{"role":"reader"}}`)
		case question.Event == "connect":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			fmt.Fprintf(w, `{"allow":%v}`, allow)
		}
	}))
	defer service.Close()

	secret := filepath.Join(t.TempDir(), "webhook.secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 24)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := run(t, load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
trusted_proxies: [127.0.0.1/32]
auth:
  webhook: {url: %q, events: [connect, subscribe, publish], secret_file: %q, secret_as: bearer, headers: [x-tenant]}
  forwarded: {subject_header: x-user, claims_headers: {role: x-role}, lifetime: 10s}
grants:
  - {when: {iss: webhook, role: reader}, subscribe: ["*"]}
  - {when: {iss: forwarded, role: writer}, publish: ["*"]}
streams:
  open: {topic: open, partitions: 1}
  shut: {topic: shut, partitions: 1}
drain: {timeout: 1s, spread: 0s}
`, servers.Brokers[0], service.URL, secret), Options{})
	address := "http://" + a.address
	status := func(method, path string, headers ...string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address+path, strings.NewReader(map[string]string{http.MethodPost: "x"}[method]))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res.StatusCode
	}
	// The topics are made while the server starts.
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if status(http.MethodGet, "/v1/streams/open", "Authorization", "Bearer good", "X-Tenant", "a") == http.StatusOK {
			break
		}
	}
	for _, c := range []struct {
		method, stream string
		headers        []string
		want           int
	}{
		{http.MethodGet, "open", []string{"Authorization", "Bearer good", "X-Tenant", "a"}, http.StatusOK},
		{http.MethodGet, "open", []string{"Authorization", "Bearer good", "X-Tenant", "a"}, http.StatusOK}, // from the cache
		{http.MethodGet, "shut", []string{"Authorization", "Bearer good", "X-Tenant", "a"}, http.StatusForbidden},
		{http.MethodGet, "open", []string{"Authorization", "Bearer good", "X-Tenant", "b"}, http.StatusUnauthorized},
		{http.MethodGet, "open", []string{"Authorization", "Bearer bad", "X-Tenant", "a"}, http.StatusUnauthorized},
		{http.MethodGet, "open", []string{"X-User", "u", "X-Role", "writer"}, http.StatusForbidden},
		{http.MethodPost, "open", []string{"X-User", "u", "X-Role", "writer"}, http.StatusOK},
		{http.MethodPost, "shut", []string{"X-User", "u", "X-Role", "writer"}, http.StatusForbidden},
		{http.MethodPost, "open", []string{"X-User", "u", "X-Role", "reader"}, http.StatusNotFound},
		{http.MethodPost, "open", []string{"X-User", "u", "X-Role", "writer", "Authorization", "Bearer good"}, http.StatusBadRequest},
	} {
		if got := status(c.method, "/v1/streams/"+c.stream+"/records", c.headers...); got != c.want {
			t.Errorf("%s %s with %v: %d, want %d", c.method, c.stream, c.headers, got, c.want)
		}
	}
	mu.Lock()
	for _, event := range []string{"connect", "subscribe", "publish"} {
		if asked[event] == 0 || asked[event] > 3 {
			t.Errorf("%s was asked %d times", event, asked[event])
		}
	}
	mu.Unlock()
	// A reload has it asked about what is open.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v1/streams/open/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer good"}, "X-Tenant": {"a"}}
	stream, err := http.DefaultClient.Do(r)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatal(stream, err)
	}
	defer func() { _ = stream.Body.Close() }()
	mu.Lock()
	allowed = "none"
	mu.Unlock()
	if _, err := a.Reload(a.inForce); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(stream.Body); err != nil || !strings.Contains(string(all), `"code":"forbidden"`) {
		t.Errorf("the stream ended with %v:\n%s", err, all)
	}
	gathered, err := a.front.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range gathered {
		for _, m := range family.GetMetric() {
			if strings.HasPrefix(family.GetName(), "sluice_webhook") {
				fmt.Fprintln(&text, family.GetName(), m)
			}
		}
	}
	for _, name := range []string{"requests_total", "unasked_total", "request_seconds", "breaker_open", "cached_answers"} {
		if !strings.Contains(text.String(), "sluice_webhook_"+name) {
			t.Errorf("there is no sluice_webhook_%s in\n%s", name, text.String())
		}
	}
	for _, want := range []string{`"connect".*"yes"`, `"subscribe".*"no"`, `"publish".*"yes"`, `"subscribe".*"cached"`} {
		if !regexp.MustCompile(want + `.*counter:.*value:[1-9]`).MatchString(text.String()) {
			t.Errorf("nothing is counted for %s in\n%s", want, text.String())
		}
	}
	checks := a.front.without()
	if checks["webhook"] == nil || checks["webhook"](t.Context()) != nil {
		t.Error("the webhook is not checked")
	}
}
