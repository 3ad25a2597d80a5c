package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

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
