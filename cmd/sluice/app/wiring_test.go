package app

import (
	"crypto/tls"
	"strings"
	"testing"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

func TestRedisOptions(t *testing.T) {
	t.Parallel()
	t.Run("url", func(t *testing.T) {
		t.Parallel()
		got, err := redisOptions(config.Redis{URL: config.NewSecretURL("rediss://u:p@redis.example:6380/3"), TLS: &config.ClientTLS{}})
		if err != nil {
			t.Fatal(err)
		}
		if got.Addrs[0] != "redis.example:6380" || got.DB != 3 || got.Username != "u" || got.Password != "p" {
			t.Errorf("got %+v", got)
		}
		if got.TLSConfig == nil || got.TLSConfig.ServerName != "redis.example" || got.TLSConfig.MinVersion != tls.VersionTLS12 {
			t.Errorf("TLS is %+v", got.TLSConfig)
		}
	})
	t.Run("password of a file", func(t *testing.T) {
		t.Parallel()
		got, err := redisOptions(config.Redis{URL: config.NewSecretURL("redis://redis.example:6379"), Username: "u", Password: auth.NewSecret("p")})
		if err != nil || got.Username != "u" || got.Password != "p" || got.TLSConfig != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		got, err := redisOptions(config.Redis{Sentinel: &config.Sentinel{Master: "m", Addresses: []string{"a:1", "b:1"}, DB: 2, Username: "s", Password: auth.NewSecret("q")}})
		if err != nil || got.MasterName != "m" || len(got.Addrs) != 2 || got.DB != 2 || got.SentinelUsername != "s" || got.SentinelPassword != "q" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("cluster of one address", func(t *testing.T) {
		t.Parallel()
		got, err := redisOptions(config.Redis{Cluster: []string{"a:1"}})
		if err != nil || !got.IsClusterMode || got.Addrs[0] != "a:1" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("fault without the password", func(t *testing.T) {
		t.Parallel()
		if _, err := redisOptions(config.Redis{URL: config.NewSecretURL("redis://:hunter2@[::1")}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestMechanisms(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		got, tokens, err := newMechanism(&config.SASL{Mechanism: name, Username: "u", Password: auth.NewSecret("p")}, nil)
		if err != nil || got.Name() != name || tokens != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if _, _, err := newMechanism(&config.SASL{Mechanism: "GSSAPI"}, nil); err == nil {
		t.Error("an unknown mechanism was taken")
	}
	if got, _, err := newMechanism(nil, nil); got != nil || err != nil {
		t.Errorf("without credentials got %v, %v", got, err)
	}
}
