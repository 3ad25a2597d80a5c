package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/auth/webhook"
)

// TestSignature: as a service checks it that follows Standard Webhooks.
func TestSignature(t *testing.T) {
	t.Parallel()
	raw := []byte("0123456789abcdef0123456789abcdef")
	for name, secret := range map[string]string{
		"text":   string(raw),
		"base64": "whsec_" + base64.StdEncoding.EncodeToString(raw),
	} {
		s := &service{answer: says(200, `{"subject":"u"}`)}
		h := hook(t, s, func(c *webhook.Config) { c.Secret, c.CacheFor = auth.NewSecret(secret), 0 })
		ids := make(map[string]bool)
		for i := range 2 {
			if _, err := h.Verify(t.Context(), auth.Bearer("t")); err != nil {
				t.Fatal(err)
			}
			header := s.requests[i].Header
			id, at := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
			mac := hmac.New(sha256.New, raw)
			mac.Write([]byte(id + "." + at + "." + s.bodies[i]))
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("Webhook-Signature") != want {
				t.Errorf("%s: the signature is %q, want %q", name, header.Get("Webhook-Signature"), want)
			}
			if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)) > time.Minute {
				t.Errorf("%s: the time is %q", name, at)
			}
			if ids[id] || len(id) < 20 || header.Get("Authorization") != "" {
				t.Errorf("%s: the header is %v", name, header)
			}
			ids[id] = true
		}
	}
}

func TestBearerSecret(t *testing.T) {
	t.Parallel()
	s := &service{answer: says(200, `{"subject":"u"}`)}
	secret := strings.Repeat("s", 24)
	h := hook(t, s, func(c *webhook.Config) { c.Secret, c.Bearer = auth.NewSecret(secret), true })
	if _, err := h.Verify(t.Context(), auth.Bearer("t")); err != nil {
		t.Fatal(err)
	}
	if header := s.requests[0].Header; header.Get("Authorization") != "Bearer "+secret || header.Get("Webhook-Signature") != "" {
		t.Errorf("the header is %v", header)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*webhook.Config)
		says   string // empty: the configuration is valid
	}{
		"good":              {func(*webhook.Config) {}, ""},
		"no URL":            {func(c *webhook.Config) { c.URL = "" }, "URL"},
		"relative":          {func(c *webhook.Config) { c.URL = "/x" }, "URL"},
		"file":              {func(c *webhook.Config) { c.URL = "file://h/x" }, "URL"},
		"user":              {func(c *webhook.Config) { c.URL = "https://u:p@h/" }, "user name"},
		"fragment":          {func(c *webhook.Config) { c.URL = "https://h/#x" }, "fragment"},
		"no timeout":        {func(c *webhook.Config) { c.Timeout = 0 }, "limit"},
		"cache":             {func(c *webhook.Config) { c.CacheFor = -1 }, "limit"},
		"no cache":          {func(c *webhook.Config) { c.CacheFor = 0 }, ""},
		"entries":           {func(c *webhook.Config) { c.CacheEntries = 0 }, "limit"},
		"lifetime":          {func(c *webhook.Config) { c.Lifetime = 0 }, "limit"},
		"concurrency":       {func(c *webhook.Config) { c.Concurrency = 0 }, "limit"},
		"no events":         {func(c *webhook.Config) { c.Events = nil }, "events"},
		"event":             {func(c *webhook.Config) { c.Events = []webhook.Event{"ack"} }, `"ack"`},
		"logger":            {func(c *webhook.Config) { c.Logger = nil }, "logger"},
		"short secret":      {func(c *webhook.Config) { c.Secret = auth.NewSecret("short") }, "24 bytes"},
		"short base64":      {func(c *webhook.Config) { c.Secret = auth.NewSecret("whsec_" + strings.Repeat("AAAA", 7)) }, "24 bytes"},
		"bad base64":        {func(c *webhook.Config) { c.Secret = auth.NewSecret("whsec_" + strings.Repeat("!", 40)) }, "base64"},
		"bearer with space": {func(c *webhook.Config) { c.Secret, c.Bearer = auth.NewSecret(strings.Repeat("a b ", 10)), true }, "visible"},
	} {
		_, err := webhook.New(settings(http.DefaultTransport, c.change))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}
