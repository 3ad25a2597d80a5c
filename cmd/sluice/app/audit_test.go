package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/cmd/sluice/config"
)

// TestTheAuditIsStoredToItsEnd: what happens until the last session has ended is stored
// in the stream before the app has stopped.
func TestTheAuditIsStoredToItsEnd(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	configured := func(audit, more string) *config.Config {
		return load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
grants: [{anonymous: true, subscribe: ["*"]}]
streams:
  news: {topic: news, partitions: 1}
  audit: {topic: audit.log, partitions: 1}
drain: {timeout: 5s, spread: 0s}
audit: {%s}
%s`, servers.Brokers[0], audit, more)
	}
	const stored = "stream: audit, source: /sluice/test"
	a := run(t, configured(stored, ""), Options{Version: "v1.2.3"})
	url := "http://" + a.address

	if status := statusOf(t, url+"/v1/streams/audit/events"); status != http.StatusNotFound {
		t.Errorf("everybody may read the audit: %d", status)
	}
	var stream *http.Response
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if stream, err = http.Get(url + "/v1/streams/news/events"); err != nil { //nolint:noctx // ends with the server
			t.Fatal(err)
		}
		defer func() { _ = stream.Body.Close() }()
		if stream.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stream is answered with %d", stream.StatusCode)
		}
	}
	if restart, err := a.Reload(configured(stored, "limits: {sessions_per_address: 7, json_depth: 9, record_bytes: 2MiB}")); err != nil || len(restart) != 1 {
		t.Errorf("reloading: %v, %v", restart, err)
	}
	for _, other := range []string{"", "stream: news"} {
		if _, err := a.Reload(configured(other, "")); err == nil || !strings.Contains(err.Error(), "audit/stream") {
			t.Errorf("with audit {%s}: %v", other, err)
		}
	}
	a.ReloadRefused(errors.New("damaged file"))
	a.stop()

	client, err := kgo.NewClient(kgo.SeedBrokers(servers.Brokers...), kgo.ConsumeTopics("audit.log"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	waiting, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var kinds []string
	disconnected := 0
	for len(kinds) == 0 || kinds[len(kinds)-1] != "stopped" {
		fetched := client.PollFetches(waiting)
		if waiting.Err() != nil {
			t.Fatalf("the audit ends with %q", kinds)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			if headers["ce_source"] != "/sluice/test" || headers["ce_specversion"] != "1.0" {
				t.Errorf("got %v", headers)
			}
			kind := strings.TrimPrefix(headers["ce_type"], "sluice.audit.")
			if kind == "connected" && string(r.Key) != "anonymous:127.0.0.1" {
				t.Errorf("the key is %q", r.Key)
			}
			if kind == "refused" {
				return // until the topic has been made
			}
			if kind == "reconfigured" || kind == "reloaded" {
				kind += string(r.Value)
			}
			if kind == "disconnected" {
				disconnected++ // while the streams are replaced
				return
			}
			kinds = append(kinds, kind)
		})
	}
	want := `started connected subscribed reconfigured{"part":"limits/json_depth"} reconfigured{"part":"limits/sessions_per_address"}` +
		` reloaded{"outcome":"done","changed":2,"restart":1}` +
		` reloaded{"outcome":"refused","changed":0,"detail":"audit/stream is \"\" now and was \"audit\": restart the instance"}` +
		` reloaded{"outcome":"refused","changed":0,"detail":"audit/stream is \"news\" now and was \"audit\": restart the instance"}` +
		` reloaded{"outcome":"refused","changed":0,"detail":"damaged file"} stopped`
	if got := strings.Join(kinds, " "); got != want || disconnected != 1 {
		t.Errorf("the audit is %s, with %d disconnected", got, disconnected)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx // answered at once
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
