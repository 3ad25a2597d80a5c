package app

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"sluice/auth/apikeys"
)

// TestRemovedKeysEndTheirSessions: a reload after a key was removed from its file ends the
// sessions of that key, also one that began with a ticket, and no others.
func TestRemovedKeysEndTheirSessions(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write := func(entries ...apikeys.Entry) {
		text := "keys:\n"
		for _, e := range entries {
			one, err := e.YAML()
			if err != nil {
				t.Fatal(err)
			}
			text += string(one)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	create := func(subject string) (string, apikeys.Entry) {
		key, entry, err := apikeys.Create(subject, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return key.Reveal(), entry
	}
	stays, stayingEntry := create("stays")
	goes, goingEntry := create("goes")
	write(stayingEntry, goingEntry)
	c := load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
redis: {url: "redis://%s/0"}
drain: {timeout: 1s, spread: 0s}
auth: {api_keys_file: %q, tickets: true}
grants: [{when: {iss: api-keys}, subscribe: [one]}]
streams: {one: {topic: one, partitions: 1}}
`, servers.Brokers[0], miniredis.RunT(t).Addr(), path)
	a := run(t, c, Options{})
	url := "http://" + a.address

	do := func(method, path, key string) (*http.Response, error) {
		request, _ := http.NewRequestWithContext(t.Context(), method, url+path, nil)
		if key != "" {
			request.Header.Set("Authorization", "ApiKey "+key)
		}
		return http.DefaultClient.Do(request)
	}
	open := func(query, key string) *bufio.Scanner {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			answer, err := do(http.MethodGet, "/v1/streams/one/events"+query, key)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode == http.StatusOK {
				t.Cleanup(func() { _ = answer.Body.Close() })
				return bufio.NewScanner(answer.Body)
			}
			text, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if time.Now().After(deadline) {
				t.Fatalf("%d %s", answer.StatusCode, text)
			}
		}
	}
	other := open("", stays)
	direct := open("", goes)
	made, err := do(http.MethodPost, "/v1/tickets", goes)
	if err != nil {
		t.Fatal(err)
	}
	var ticket struct {
		Ticket string `json:"ticket"`
	}
	if err := json.NewDecoder(made.Body).Decode(&ticket); err != nil {
		t.Fatal(err)
	}
	_ = made.Body.Close()
	byTicket := open("?ticket="+ticket.Ticket, "")

	write(stayingEntry)
	if _, err := a.Reload(c); err != nil {
		t.Fatal(err)
	}
	// The reload has read the file, which is not read again later unless it changes once more: it is also
	// what ends the sessions.
	refused, err := do(http.MethodGet, "/v1/streams", goes)
	if err != nil || refused.StatusCode != http.StatusUnauthorized {
		t.Errorf("the key: %v, %v", refused, err)
	}
	_ = refused.Body.Close()
	for what, lines := range map[string]*bufio.Scanner{"direct": direct, "by ticket": byTicket} {
		var seen []string
		for lines.Scan() {
			seen = append(seen, lines.Text())
		}
		if all := strings.Join(seen, "\n"); !strings.Contains(all, `"code":"revoked"`) {
			t.Errorf("%s: the stream ended with:\n%s", what, all)
		}
	}
	a.stop()
	var seen []string
	for other.Scan() {
		seen = append(seen, other.Text())
	}
	if all := strings.Join(seen, "\n"); strings.Contains(all, "revoked") || !strings.Contains(all, "draining") {
		t.Errorf("the stream of the other key ended with:\n%s", all)
	}
}
