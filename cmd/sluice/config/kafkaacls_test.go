package config_test

import (
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

// TestRightsFromACLsAlone: with ACLs, a configuration needs no grants.
func TestRightsFromACLsAlone(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, map[string]string{"secret.key": "0123456789abcdef0123456789abcdef", "sluice.yaml": `
kafka: {brokers: ["127.0.0.1:9092"]}
auth:
  issuers: [{issuer: i, audience: s, algorithms: [HS256], secret_file: secret.key}]
  kafka_acls: {principal: "User:{/realm/user}@{iss}", replay: unlimited, super_users: ["User:CN=root,O=x y"]}
streams: {market.ticks: {topic: ticks}}
`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Auth.KafkaACLs
	if got.Refresh != 30*time.Second || got.MaxAge != 5*time.Minute || got.Replay != config.Unlimited || len(got.SuperUsers) != 1 {
		t.Errorf("%+v", got)
	}
}
