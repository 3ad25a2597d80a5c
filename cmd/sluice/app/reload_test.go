package app

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

// TestReload: grants, streams and limits take effect in a running instance: an event
// stream whose client may no longer read it ends, and a new stream can be read. Fields
// that need a restart are named.
func TestReload(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	configured := func(more string) *config.Config {
		return load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
%s`, servers.Brokers[0], more)
	}
	first := configured(`
grants: [{anonymous: true, subscribe: [one]}]
streams: {one: {topic: one, partitions: 1}}
`)
	if early, err := New(first, Options{}); err != nil {
		t.Error(err)
	} else if _, err := early.Reload(first); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("before the start: %v", err)
	}
	a := run(t, first, Options{})
	url := "http://" + a.address + "/v1/streams/"

	open := func(stream string) *http.Response {
		deadline := time.Now().Add(20 * time.Second)
		for {
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+stream+"/events", nil)
			answer, err := http.DefaultClient.Do(request)
			if err == nil && answer.StatusCode == http.StatusOK {
				return answer
			}
			if err == nil {
				_ = answer.Body.Close()
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v %v", stream, answer, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	reader := open("one")
	defer func() { _ = reader.Body.Close() }()

	restart, err := a.Reload(configured(`
grants: [{anonymous: true, subscribe: [two]}]
streams: {one: {topic: one, partitions: 1}, two: {topic: two, partitions: 1}}
limits: {record_bytes: 2MiB, sessions_per_address: 7}
log: {level: warn}
`))
	if err != nil || !slices.Equal(restart, []string{"limits/record_bytes", "log/level"}) {
		t.Errorf("fields that need a restart: %v, %v", restart, err)
	}
	var seen []string
	for lines := bufio.NewScanner(reader.Body); lines.Scan(); {
		seen = append(seen, lines.Text())
	}
	if all := strings.Join(seen, "\n"); !strings.Contains(all, `"code":"forbidden"`) {
		t.Errorf("the stream ended with:\n%s", all)
	}
	added := open("two")
	_ = added.Body.Close()

	if restart, err := a.Reload(a.inForce); err != nil || len(restart) > 0 {
		t.Errorf("nothing has changed: %v, %v", restart, err)
	}
}
