package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUnavailablePartitionsMetric: a cluster that does not answer is counted once a record
// was refused for it.
func TestUnavailablePartitionsMetric(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	a := run(t, load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka:
  clusters:
    one: {brokers: [%q]}
    two: {brokers: ["127.0.0.1:1"], produce: {fail_after: 100ms}}
drain: {timeout: 1s, spread: 0s}
grants: [{anonymous: true, publish: ["*"]}]
streams: {a: {topic: a, partitions: 1, cluster: one}, b: {topic: b, cluster: two}}
`, servers.Brokers[0]), Options{})
	series := func(cluster string) float64 {
		t.Helper()
		families, err := a.front.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == "sluice_publish_unavailable_partitions" && m.GetLabel()[0].GetValue() == cluster {
					return m.GetGauge().GetValue()
				}
			}
		}
		t.Fatalf("there is no metric of %s", cluster)
		return 0
	}
	if series("one") != 0 || series("two") != 0 {
		t.Error("counted before anything was published")
	}
	for end := time.Now().Add(20 * time.Second); series("two") != 1; {
		answer, err := http.Post("http://"+a.address+"/v1/streams/b/records", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Fatalf("%d %v", answer.StatusCode, answer.Header)
		}
		if time.Now().After(end) {
			t.Fatal("it is not counted")
		}
	}
	if series("one") != 0 {
		t.Error("another cluster is counted")
	}
}
