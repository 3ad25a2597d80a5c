package app

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

// TestReload: grants, streams and limits take effect in a running instance: an event
// stream whose client may no longer read it ends, and a new stream can be read. Fields
// that need a restart are named.
func TestReload(t *testing.T) {
	t.Parallel()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	load := func(more string) *config.Config {
		c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
%s`, servers.Brokers[0], more)})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	addresses := make(chan net.Addr, 1)
	a, err := New(load(`
grants: [{anonymous: true, subscribe: [one]}]
streams: {one: {topic: one, partitions: 1}}
`), Options{Listening: func(at net.Addr) { addresses <- at }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Reload(a.config); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("before the start: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	url := "http://" + (<-addresses).String() + "/v1/streams/"

	open := func(stream string) *http.Response {
		deadline := time.Now().Add(20 * time.Second)
		for {
			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+stream+"/events", nil)
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

	restart, err := a.Reload(load(`
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
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
