package config

import (
	"fmt"

	"sluice/auth/forwarded"
	"sluice/auth/webhook"
)

// identifies reports whether any kind of credential is accepted.
func (a Auth) identifies() bool {
	return len(a.Issuers) > 0 || a.HasAPIKeys() || a.Introspection != nil || a.ClientCertificates != nil ||
		a.Webhook.Asks(webhook.Connect) || a.Forwarded != nil && a.Forwarded.SubjectHeader != ""
}

// checkVerifiers checks what the kinds of credentials need from other sections, and
// that no two kinds can make the same principal.
func checkVerifiers(c *Config, f *faults) {
	const needsRedis = "requires redis: set redis/url, redis/sentinel or redis/cluster"
	if c.Auth.APIKeysRedis && !c.Redis.Configured() {
		f.addOnce("auth/api_keys_redis", needsRedis)
	}
	if c.Auth.DPoP != nil && c.Auth.DPoP.Redis && !c.Redis.Configured() {
		f.addOnce("auth/dpop/redis", needsRedis)
	}
	byProxy := c.Auth.Forwarded != nil && c.Auth.Forwarded.ClientCertificateHeader != ""
	switch {
	case c.Auth.ClientCertificates == nil || byProxy:
	case c.TLS != nil && c.TLS.ClientCAFile == "":
		f.addOnce("auth/client_certificates", "requires tls/client_ca_file, the authorities of clients' certificates: without it, no client is asked for a certificate")
	case c.TLS == nil:
		f.addOnce("auth/client_certificates", "requires tls with client_ca_file, or a proxy that reports certificates (auth/forwarded/client_certificate_header): only a server that terminates TLS sees client certificates")
	}
	taken := make(map[string]string) // paths by issuer
	for i, issuer := range c.Auth.Issuers {
		taken[issuer.Issuer] = fmt.Sprintf("auth/issuers/%d", i)
	}
	if c.Auth.Introspection != nil && taken[c.Auth.Introspection.Issuer] == "" {
		taken[c.Auth.Introspection.Issuer] = "auth/introspection"
	}
	take := func(issuer, path string) {
		if other := taken[issuer]; other != "" {
			f.addOnce(path, "%.60q is already the issuer of %s: principals with the same subject would be the same", issuer, other)
		}
		taken[issuer] = path
	}
	if c.Auth.HasAPIKeys() {
		take(c.Auth.APIKeysIssuer, "auth/api_keys_issuer")
	}
	if c.Auth.Webhook.Asks(webhook.Connect) {
		take(webhook.Issuer, "auth/webhook")
	}
	if c.Auth.Forwarded != nil && c.Auth.Forwarded.SubjectHeader != "" {
		take(forwarded.Issuer, "auth/forwarded")
	}
	if c.Auth.ClientCertificates != nil {
		take(c.Auth.ClientCertificates.Issuer, "auth/client_certificates/issuer")
	}
}

// readVerifiers reads the secrets of the kinds of credentials.
func readVerifiers(c *Config, f *faults) {
	if i := c.Auth.Introspection; i != nil {
		readSecret(i.ClientSecretFile, &i.ClientSecret, "auth/introspection/client_secret_file", f)
	}
}
