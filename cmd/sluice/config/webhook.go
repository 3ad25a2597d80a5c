package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth"
	"sluice/auth/webhook"
)

// Webhook configures the HTTP service that is asked about access.
type Webhook struct {
	URL          string        `koanf:"url" validate:"required,service_url" doc:"URL of the service, https, or http on loopback; it is sent POST requests with JSON"`
	Events       []string      `koanf:"events" validate:"required,min=1,unique,dive,oneof=connect subscribe publish" doc:"what the service is asked about: connect, about credentials that nothing else in auth knows; subscribe and publish, about what the grants allow"`
	Timeout      time.Duration `koanf:"timeout" default:"1s" validate:"between=10ms..30s" doc:"timeout of one request; requests are not repeated"`
	Cache        time.Duration `koanf:"cache" default:"10s" validate:"between=0s..1h" doc:"how long an answer is used for the same question; 0s asks each time"`
	CacheEntries int           `koanf:"cache_entries" default:"10000" validate:"between=1..1000000" unit:"answers" doc:"number of answers that are cached: so many of yes, and so many of no"`
	Concurrency  int           `koanf:"concurrency" default:"64" validate:"between=1..10000" unit:"requests" doc:"number of requests at a time; clients above it are told to try again"`
	Lifetime     time.Duration `koanf:"lifetime" default:"1h" validate:"between=10s..30d" doc:"how long a client is authenticated at most, and if the service does not say"`
	SecretFile   Path          `koanf:"secret_file" validate:"omitempty,readable_file" doc:"file that contains the secret, at least 24 bytes, by which the service knows the server; after whsec_ it is base64. One trailing line break is ignored"`
	SecretAs     string        `koanf:"secret_as" default:"signature" validate:"oneof=signature bearer" doc:"how the secret is used: signature signs requests as in Standard Webhooks; bearer sends the secret in Authorization"`
	Headers      []string      `koanf:"headers" validate:"unique,dive,header_name" doc:"headers of the client's request that are passed on with connect"`

	// Secret is the content of SecretFile.
	Secret auth.Secret `koanf:"-" validate:"-"`
}

// Asks reports whether the service is asked about an event. It is not asked where
// there is none.
func (w *Webhook) Asks(event webhook.Event) bool {
	return w != nil && slices.Contains(w.Events, string(event))
}

// credentialHeaders are headers that can hold a credential. They are passed on as one,
// if at all.
var credentialHeaders = []string{"Authorization", "Cookie", "Proxy-Authorization", "Dpop", "Sec-Websocket-Protocol"}

func checkWebhook(level validator.StructLevel) {
	w := level.Current().Interface().(Webhook)
	for i, name := range w.Headers {
		if slices.Contains(credentialHeaders, http.CanonicalHeaderKey(name)) {
			conflict(level, fmt.Sprintf("headers/%d", i), "%s can hold a credential, which is passed on in a field of its own", name)
		}
	}
	if len(w.Headers) > 0 && !w.Asks(webhook.Connect) {
		conflict(level, "headers", "headers are passed on with connect, which is not in events")
	}
}

// readWebhook reads the secret, and checks it.
func readWebhook(c *Config, f *faults) {
	w := c.Auth.Webhook
	if w == nil {
		return
	}
	readSecret(w.SecretFile, &w.Secret, "auth/webhook/secret_file", f)
	if err := webhook.CheckSecret(w.Secret, w.SecretAs == "bearer"); err != nil {
		f.add("auth/webhook/secret_file", "%s", strings.TrimPrefix(err.Error(), "check secret: "))
	}
}
