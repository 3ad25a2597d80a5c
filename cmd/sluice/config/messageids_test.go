package config_test

import (
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	const base = "kafka: {brokers: [\"127.0.0.1:9092\"]}\ngrants: [{anonymous: true, publish: [a]}]\n"
	const redis = "redis: {url: \"redis://127.0.0.1:6379\"}\n"
	for name, c := range map[string]struct{ text, want string }{
		"required, without redis":  {`streams: {a: {topic: a, ingest: {message_ids: {required: true}}}}`, "streams/a/ingest/message_ids/required: message ids require redis"},
		"required and refused":     {redis + `streams: {a: {topic: a, ingest: {message_ids: {window: 0s, required: true}}}}`, "streams/a/ingest/message_ids/required: has no effect with window: 0"},
		"a short window":           {redis + `streams: {a: {topic: a, ingest: {message_ids: {window: 10ms}}}}`, "streams/a/ingest/message_ids/window: 10ms is not between 1s and 7d"},
		"publishes without an end": {redis + "limits: {publish_timeout: 0s}\nstreams: {a: {topic: a}}", "limits/publish_timeout: message ids require that a publish ends"},
		"an unknown field":         {redis + `streams: {a: {topic: a, ingest: {message_ids: {windows: 1m}}}}`, "streams/a/ingest/message_ids/windows"},
		"no wait":                  {redis + "message_ids: {wait: 0s}\nstreams: {a: {topic: a}}", "message_ids/wait: 0s is not between 10ms and 1m"},
		"no margin":                {redis + "message_ids: {margin: 0s}\nstreams: {a: {topic: a}}", "message_ids/margin: 0s is not between 1s and 10m"},
		"no bytes":                 {redis + "message_ids: {lookback_bytes: 0}\nstreams: {a: {topic: a}}", "message_ids/lookback_bytes: 0 is not between 1MiB and 64GiB"},
	} {
		_, err := config.Load(config.Options{Text: base + c.text + "\n", Environ: []string{}})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	for name, text := range map[string]string{
		"no end, and no ids":     redis + "limits: {publish_timeout: 0s}\nstreams: {a: {topic: a, ingest: {message_ids: {window: 0s}}}}",
		"no end, and no redis":   "limits: {publish_timeout: 0s}\nstreams: {a: {topic: a}}",
		"required, with a redis": redis + `streams: {a: {topic: a, ingest: {message_ids: {required: true, window: 1h}}}}`,
	} {
		if _, err := config.Load(config.Options{Text: base + text + "\n", Environ: []string{}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := config.Load(config.Options{Text: base + redis + "message_ids: {margin: 3s}\nlimits: {publish_timeout: 2s}\nstreams: {a: {topic: a}}\n", Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if ids := c.Streams["a"].Ingest.MessageIDs; c.Lease() != 7*time.Second || ids.Window != 10*time.Minute || ids.Required || c.MessageIDs.Wait != 2*time.Second {
		t.Errorf("lease %v, %+v, %+v", c.Lease(), ids, c.MessageIDs)
	}
}
