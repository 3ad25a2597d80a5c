package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"sluice/auth"
	"sluice/cmd/sluice/certificates"
)

// hmacBytes is the minimum length of an HS256 secret (RFC 7518, 3.2).
const hmacBytes = 32

// readFiles reads the secrets into their fields, and checks that certificates load.
func readFiles(c *Config, f *faults) {
	readServerTLS(c.TLS, f)
	readCluster(&c.Kafka.Cluster, "kafka", f)
	for _, name := range slices.Sorted(maps.Keys(c.Kafka.Clusters)) {
		cluster := c.Kafka.Clusters[name]
		readCluster(&cluster, join("kafka/clusters", name), f)
		c.Kafka.Clusters[name] = cluster
	}
	readSecret(c.Redis.PasswordFile, &c.Redis.Password, "redis/password_file", f)
	if s := c.Redis.Sentinel; s != nil {
		readSecret(s.PasswordFile, &s.Password, "redis/sentinel/password_file", f)
	}
	tryTLS(c.Redis.TLS, "redis/tls", f)
	readVerifiers(c, f)
	readWebhook(c, f)
	readEncryption(c, f)
	readSchemas(c, f)
	readRegistries(c, f)
	for i := range c.Auth.Issuers {
		issuer, path := &c.Auth.Issuers[i], fmt.Sprintf("auth/issuers/%d/secret_file", i)
		readSecret(issuer.SecretFile, &issuer.Secret, path, f)
		if n := len(issuer.Secret.Reveal()); n > 0 && n < hmacBytes {
			f.add(path, "contains %d bytes: an HS256 secret requires at least %d", n, hmacBytes)
		}
	}
}

func readCluster(c *Cluster, path string, f *faults) {
	tryTLS(c.TLS, path+"/tls", f)
	readSASL(c.SASL, path+"/sasl", f)
}

func readSecret(from Path, to *auth.Secret, path string, f *faults) {
	if from == "" || f.below(path) {
		return
	}
	secret, err := auth.ReadSecret(string(from))
	if err != nil {
		f.add(path, "%s", err)
		return
	}
	if secret.IsZero() {
		f.add(path, "%s is empty", from)
		return
	}
	*to = secret
}

func tryTLS(t *ClientTLS, path string, f *faults) {
	if t == nil || f.below(path) {
		return
	}
	switch _, err := t.Load(); {
	case err == nil:
	case errors.Is(err, certificates.ErrNoCertificates):
		f.add(path+"/ca_file", "%s", err)
	default:
		f.add(path, "%s", err)
	}
}

func urlHasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	_, has := u.User.Password()
	return has
}
