package config_test

import (
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"0": 0, "1/s": 1, "100/s": 100, "30/m": 0.5, "1/h": 1.0 / 3600} {
		got, err := config.ParseRate(text)
		if err != nil || got.PerSecond() != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
		if again, err := config.ParseRate(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q and read back as %v, %v", text, got, again, err)
		}
	}
	for text, want := range map[string]float64{"0": 0, "1MiB/s": 1 << 20, "1kB/s": 1000, "60KiB/m": 1024, "512B/s": 512} {
		got, err := config.ParseByteRate(text)
		if err != nil || got.PerSecond() != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
		if again, err := config.ParseByteRate(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q and read back as %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "100", "100/", "/s", "100/d", "100/ms", "-1/s", "1.5/s", "1/s/s", "1KiB/s", "9223372036854775807/s"} {
		if got, err := config.ParseRate(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
	for _, text := range []string{"", "1MiB", "1MiB/", "1MiB/d", "x/s", "1EiB/s", "8388607TiB/s"} {
		if got, err := config.ParseByteRate(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

const (
	quotaBase   = "kafka: {brokers: [\"127.0.0.1:9092\"]}\n"
	quotaGrants = "grants: [{anonymous: true, publish: [a]}]\n"
)

func loadQuotas(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	if !strings.Contains(text, "grants:") {
		text += "\n" + quotaGrants
	}
	return config.Load(config.Options{Text: quotaBase + text, Environ: []string{}})
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	c, err := loadQuotas(t, `
redis: {url: "redis://127.0.0.1:6379"}
quotas: {principal: {records: 30/m, bytes: 1MiB/s, burst: 10s, concurrent: 4}, stream: {records: 5/s, shared: true}}
streams: {a: {topic: a, quotas: {address: {records: 1/s}}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Quota{Records: 30 * 60, Bytes: 3600 << 20, Burst: 10 * time.Second, Concurrent: 4}
	if q := c.Quotas.Principal; q == nil || *q != want || c.Quotas.Address != nil {
		t.Errorf("got %+v", c.Quotas)
	}
	if q := c.Quotas.Stream; q == nil || !q.Shared || q.Burst != 2*time.Second {
		t.Errorf("got %+v", q)
	}
	if q := c.Streams["a"].Quotas; q.Address == nil || q.Address.Records.PerSecond() != 1 || q.Principal != nil {
		t.Errorf("got %+v", q)
	}
	if c.Quotas.Tracked != 100_000 || c.Quotas.ShareEvery != time.Second {
		t.Errorf("got %+v", c.Quotas)
	}
}

func TestFaultsOfQuotas(t *testing.T) {
	t.Parallel()
	const plain = "streams: {a: {topic: a}}\n"
	for text, want := range map[string]string{
		plain + "quotas: {principal: {}}":                            "quotas/principal/records: the quota limits nothing",
		plain + "quotas: {principal: {records: 100}}":                "quotas/principal/records: expected a rate, such as 100/s, got a number",
		plain + "quotas: {principal: {records: 20000000/s}}":         "quotas/principal/records: 20000000/s is not between 1/h and 10000000/s",
		plain + "quotas: {principal: {bytes: 5/s}}":                  "quotas/principal/burst: 5B/s for 2s are 10 bytes at once",
		plain + "quotas: {address: {records: 1/h}}":                  "quotas/address/burst: 1/h for 2s are less than one record",
		plain + "quotas: {stream: {records: 1/s, shared: true}}":     "quotas/stream/shared: requires redis",
		plain + "quotas: {stream: {concurrent: 1, shared: true}}":    "quotas/stream/shared: has no effect on concurrent",
		plain + "quotas: {tenant: {records: 1/s}}":                   "quotas/tenant: unknown key",
		"streams: {a: {topic: a, quotas: {stream: {burst: 1s}}}}":    "streams/a/quotas/stream/records: the quota limits nothing",
		"streams: {a: {topic: a, quotas: {stream: {records: 1/h}}}}": "streams/a/quotas/stream/burst: 1/h for 2s are less than one record",
		plain + "auth: {issuers: [{issuer: i, audience: a, algorithms: [ES256], jwks_url: \"https://a/b\"}]}\ngrants: [{when: {}, subscribe: [a], quota: {records: 1/s}}]":             "grants/0/quota: quota requires publish",
		plain + "grants: [{anonymous: true, publish: [a], quota: {records: 1/s}}]":                                                                                                     "grants/0/quota: clients without a token count by their address",
		plain + "auth: {issuers: [{issuer: i, audience: a, algorithms: [ES256], jwks_url: \"https://a/b\"}]}\ngrants: [{when: {}, publish: [a], quota: {records: 1/s, shared: true}}]": "grants/0/quota/shared: requires redis",

		"streams: {a: {topic: a, quotas: {tracked: 5000}}}":                    "streams/a/quotas/tracked: unknown key",
		plain + "quotas: {principal: {records: 1/s, burst: 1ms}, tracked: 10}": "quotas/tracked: 10 is not between 1000 and 10000000",
	} {
		if _, err := loadQuotas(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestChangedQuotas(t *testing.T) {
	t.Parallel()
	const plain = "streams: {a: {topic: a}}\n"
	a, err := loadQuotas(t, plain)
	if err != nil {
		t.Fatal(err)
	}
	b, err := loadQuotas(t, plain+"quotas: {principal: {records: 1/s}, tracked: 5000}")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Changed(a, b), " "); got != "quotas/principal quotas/tracked" {
		t.Errorf("got %s", got)
	}
}
