package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"sluice/auth"
	"sluice/auth/apikeys"
	"sluice/auth/certificates"
	"sluice/auth/dpop"
	"sluice/auth/forwarded"
	"sluice/auth/introspection"
	"sluice/auth/rediskeys"
	"sluice/auth/webhook"
	"sluice/cmd/sluice/config"
	"sluice/hub/filter/expr"
)

// verifiers are the configured kinds of credentials besides the issuers' tokens.
type verifiers struct {
	list   []auth.Verifier // in the order in which they are asked
	prover auth.Prover     // nil for none
	// checkFilter checks the filters of rights in answers.
	checkFilter auth.FilterCheck
	// forwarded reads what proxies say, and webhook decides about access; nil for none.
	forwarded *forwarded.Headers
	webhook   *webhook.Hook
	// webhookMetrics are nil without a webhook.
	webhookMetrics *webhookMetrics
	// keys are the API keys, nil for none.
	keys  *apikeys.Keys
	parts []part
	// changed is called when credentials have been withdrawn or changed. It is set once
	// there is a server.
	changed atomic.Pointer[func()]
	// issuers has the issuers whose tokens are not introspected. It is set once the
	// authenticator is made, which needs the verifiers.
	issuers atomic.Pointer[auth.Authenticator]
}

func newVerifiers(c *config.Config, filters *expr.Language, logger *slog.Logger) (*verifiers, error) {
	v := &verifiers{checkFilter: filterCheck(filters)}
	var shared *rediskeys.Client
	if c.Auth.APIKeysRedis || c.Auth.DPoP != nil && c.Auth.DPoP.Redis {
		var err error
		if shared, err = newRedisKeys(c, logger); err != nil {
			return nil, err
		}
		v.parts = append(v.parts, part{name: "connections to redis for credentials", run: closing(shared.Close)})
	}
	for _, add := range []func(*config.Config, *rediskeys.Client, *slog.Logger) error{
		v.addAPIKeys, v.addIntrospection, v.addCertificates, v.addDPoP, v.addForwarded, v.addWebhook,
	} {
		if err := add(c, shared, logger.With("component", "auth")); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func newRedisKeys(c *config.Config, logger *slog.Logger) (*rediskeys.Client, error) {
	options, err := redisOptions(c.Redis)
	if err != nil {
		return nil, err
	}
	return rediskeys.New(rediskeys.Config{
		Redis: options, Prefix: redisPrefix, Timeout: c.Redis.Timeout, Logger: logger.With("component", "redis"),
	})
}

// closing returns the run of a part that only has to be closed.
func closing(closeIt func() error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return closeIt()
	}
}

func (v *verifiers) addAPIKeys(c *config.Config, shared *rediskeys.Client, logger *slog.Logger) error {
	if !c.Auth.HasAPIKeys() {
		return nil
	}
	made := apikeys.Config{
		Issuer: c.Auth.APIKeysIssuer, File: string(c.Auth.APIKeysFile), StaleFor: c.Auth.APIKeysStale,
		SlowChecks: c.Auth.APIKeysSlowChecks, Changed: v.tell, Logger: logger,
	}
	if c.Auth.APIKeysRedis {
		made.Store = shared
	}
	keys, err := apikeys.New(made)
	if err != nil {
		return fmt.Errorf("auth/api_keys_file: %w", err)
	}
	v.keys = keys
	v.list = append(v.list, keys)
	v.parts = append(v.parts, part{name: "API keys", run: keys.Run})
	return nil
}

// onChange makes it known that credentials have been withdrawn or changed.
func (v *verifiers) onChange(changed func()) { v.changed.Store(&changed) }

func (v *verifiers) tell() {
	if changed := v.changed.Load(); changed != nil {
		(*changed)()
	}
}

// read reads the files of credentials, if they have changed.
func (v *verifiers) read() {
	if v.keys != nil {
		v.keys.Read()
	}
}

func (v *verifiers) addIntrospection(c *config.Config, _ *rediskeys.Client, logger *slog.Logger) error {
	i := c.Auth.Introspection
	if i == nil {
		return nil
	}
	made := introspection.Config{
		Issuer: i.Issuer, URL: i.URL, ClientID: i.ClientID, ClientSecret: i.ClientSecret, Audience: i.Audience,
		CacheFor: i.Cache, RefusedFor: i.CacheRefused, Lifetime: i.Lifetime, ClockSkew: c.Auth.ClockSkew,
		Timeout: i.Timeout, Logger: logger,
	}
	var err error
	if made.Details, err = auth.NewDetails(i.AuthorizationDetails, grantedByName(c)); err != nil {
		return fmt.Errorf("auth/introspection: %w", err)
	}
	made.Details = made.Details.Checked(v.checkFilter)
	if i.UnknownIssuers {
		made.Claimed = func(issuer string) bool {
			known := v.issuers.Load()
			return known == nil || known.HasIssuer(issuer)
		}
	}
	one, err := introspection.New(made)
	if err != nil {
		return fmt.Errorf("auth/introspection: %w", err)
	}
	v.list = append(v.list, one)
	v.parts = append(v.parts, part{name: "introspection", run: closing(func() error { one.Close(); return nil })})
	return nil
}

func (v *verifiers) addCertificates(c *config.Config, _ *rediskeys.Client, _ *slog.Logger) error {
	if c.Auth.ClientCertificates == nil {
		return nil
	}
	one, err := certificates.New(certificates.Config{
		Issuer: c.Auth.ClientCertificates.Issuer, Subject: certificates.Subject(c.Auth.ClientCertificates.Subject),
	})
	if err != nil {
		return fmt.Errorf("auth/client_certificates: %w", err)
	}
	v.list = append(v.list, one)
	return nil
}

func (v *verifiers) addDPoP(c *config.Config, shared *rediskeys.Client, _ *slog.Logger) error {
	d := c.Auth.DPoP
	if d == nil {
		return nil
	}
	made := dpop.Config{MaxAge: d.MaxAge, ClockSkew: c.Auth.ClockSkew, Remembered: d.Remembered, PerKey: d.RememberedPerKey}
	if d.Redis {
		made.Replays = shared
	}
	one, err := dpop.New(made)
	if err != nil {
		return fmt.Errorf("auth/dpop: %w", err)
	}
	v.prover = one
	return nil
}

// allow sets which of the kinds requests may carry.
func allow(c *config.Config, options *auth.RequestOptions) {
	options.Basic = c.Auth.HasAPIKeys()
	options.APIKeys = c.Auth.HasAPIKeys() || c.Auth.Webhook.Asks(webhook.Connect)
	options.Certificates = c.Auth.ClientCertificates != nil
	if c.Auth.DPoP != nil {
		options.DPoPAlgorithms = dpop.Algorithms()
	}
	options.PassOn = passedOn(c.Auth.Webhook)
}

// StoreAPIKey stores the entry of a new API key in the Redis of a configuration.
func StoreAPIKey(ctx context.Context, c *config.Config, entry apikeys.Entry) error {
	shared, err := newRedisKeys(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _ = shared.Close() }()
	text, err := entry.JSON()
	if err != nil {
		return fmt.Errorf("encode API key: %w", err)
	}
	return shared.AddEntry(ctx, entry.ID, text, entry.Expires)
}
