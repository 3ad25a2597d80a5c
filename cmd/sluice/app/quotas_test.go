package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

// TestQuotasOfTheConfiguration: quotas hold, those of a stream instead of the others, and
// can be changed while the instance runs.
func TestQuotasOfTheConfiguration(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	configured := func(more string) *config.Config {
		return load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
grants: [{anonymous: true, publish: [a, b]}]
%s`, servers.Brokers[0], more)
	}
	a := run(t, configured(`
quotas: {address: {records: 1/m, burst: 10m}}
streams:
  a: {topic: a, partitions: 1}
  b: {topic: b, partitions: 1, quotas: {address: {records: 1/m, burst: 3m}}}
`), Options{})
	// publish publishes a batch once the topic is there.
	publish := func(stream string, records int) int {
		t.Helper()
		body := `{"records":[` + strings.TrimSuffix(strings.Repeat(`{"data":1},`, records), ",") + `]}`
		answer, err := http.Post(fmt.Sprintf("http://%s/v1/streams/%s/records", a.address, stream), "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	for n, test := range []struct {
		stream  string
		records int
		status  int
	}{
		{"b", 4, http.StatusRequestEntityTooLarge},
		{"b", 3, 0},
		{"b", 1, http.StatusTooManyRequests},
		{"a", 10, 0},
		{"a", 1, http.StatusTooManyRequests},
	} {
		status := publish(test.stream, test.records)
		if refused := status == http.StatusTooManyRequests || status == http.StatusRequestEntityTooLarge; refused != (test.status != 0) || refused && status != test.status {
			t.Fatalf("publish %d: %d", n, status)
		}
	}
	restart, err := a.Reload(configured(`
quotas: {address: {records: 1000/s}, tracked: 5000}
streams:
  a: {topic: a, partitions: 1}
  b: {topic: b, partitions: 1}
`))
	if err != nil || len(restart) != 1 || restart[0] != "quotas/tracked" {
		t.Fatalf("%v, %v", restart, err)
	}
	// What was used counts on, and flows in at the new rate.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		status := publish("b", 500)
		if status != http.StatusTooManyRequests && status != http.StatusRequestEntityTooLarge {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("with other quotas: %d", status)
		}
	}
}

// TestQuotaOfAGrant: a principal has the quota of its grant in place of the others.
func TestQuotaOfAGrant(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	a := run(t, load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
auth: {issuers: [{issuer: test, audience: sluice, algorithms: [HS256], secret_file: %q}]}
grants:
  - {when: {role: gateway}, publish: [a], quota: {records: 1/m, burst: 20m}}
  - {when: {}, publish: [a]}
quotas: {principal: {records: 1/m, burst: 5m}}
streams: {a: {topic: a, partitions: 1}}
`, servers.Brokers[0], path), Options{})
	for role, most := range map[string]int{"gateway": 20, "device": 5} {
		token, err := auth.Mint(auth.NewSecret(strings.Repeat("s", 32)), auth.TokenClaims{
			Issuer: "test", Audience: "sluice", Subject: "u", ValidFor: time.Hour, More: map[string]any{"role": role},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, records := range []int{most + 1, most} {
			body := `{"records":[` + strings.TrimSuffix(strings.Repeat(`{"data":1},`, records), ",") + `]}`
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.address+"/v1/streams/a/records", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Content-Type", "application/json")
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			if refused := answer.StatusCode == http.StatusRequestEntityTooLarge; refused != (records > most) {
				t.Errorf("%s, %d records: %d", role, records, answer.StatusCode)
			}
			if got, want := answer.Header.Get("RateLimit-Policy"), fmt.Sprintf(`"principal-records";q=%d;w=%d;qu="records"`, most, most*60); got != want {
				t.Errorf("%s: %s", role, got)
			}
		}
	}
}
