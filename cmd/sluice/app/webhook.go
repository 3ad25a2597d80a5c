package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"sluice/auth"
	"sluice/auth/rediskeys"
	"sluice/auth/webhook"
	"sluice/cmd/sluice/config"
	"sluice/transport"
)

func (v *verifiers) addWebhook(c *config.Config, _ *rediskeys.Client, logger *slog.Logger) error {
	w := c.Auth.Webhook
	if w == nil {
		return nil
	}
	made := webhook.Config{
		URL: w.URL, Timeout: w.Timeout, CacheFor: w.Cache, CacheEntries: w.CacheEntries, Lifetime: w.Lifetime,
		Concurrency: w.Concurrency, Secret: w.Secret, Bearer: w.SecretAs == "bearer", Logger: logger,
	}
	for _, event := range w.Events {
		made.Events = append(made.Events, webhook.Event(event))
	}
	v.webhookMetrics = newWebhookMetrics()
	made.Observe = v.webhookMetrics.observe
	hook, err := webhook.New(made)
	if err != nil {
		return fmt.Errorf("auth/webhook: %w", err)
	}
	v.webhook, v.webhookMetrics.hook = hook, hook
	v.parts = append(v.parts, part{name: "webhook", run: hook.Run})
	return nil
}

// fallback returns the verifier that is asked last, nil for none.
func (v *verifiers) fallback() auth.Verifier {
	if v.webhook == nil || !v.webhook.Asks(webhook.Connect) {
		return nil
	}
	return v.webhook
}

// approve returns how the webhook is asked about what the grants allow, nil if it is
// not.
func (v *verifiers) approve() transport.Approve {
	hook := v.webhook
	if hook == nil || !hook.Asks(webhook.Subscribe) && !hook.Asks(webhook.Publish) {
		return nil
	}
	return func(ctx context.Context, asked transport.Asked) error {
		return hook.Approve(ctx, webhook.Question(asked))
	}
}

// askAgain has the webhook asked about all subscriptions of a server again, and about
// everything that its answers in the cache are for.
func (v *verifiers) askAgain(server *transport.Server) {
	if v.webhook != nil {
		v.webhook.Forget()
		server.Reapprove()
	}
}

// passedOn returns the headers of a client's request that the webhook is sent.
func passedOn(w *config.Webhook) []string {
	if w == nil {
		return nil
	}
	names := make([]string, len(w.Headers))
	for i, name := range w.Headers {
		names[i] = http.CanonicalHeaderKey(name)
	}
	return names
}
