package config_test

import (
	"strings"
	"testing"
	"time"
)

// TestTokensForKafka: the sections of tokens have their defaults, and credentials that are
// sent in the clear to another machine are warned of.
func TestTokensForKafka(t *testing.T) {
	t.Parallel()
	const rest = "streams: {a: {topic: a, cluster: x}}\ngrants: [{anonymous: true, subscribe: [a]}]\n"
	for name, test := range map[string]struct {
		cluster string
		warned  bool
	}{
		"tokens in the clear":      {`brokers: ["b:1"], sasl: {mechanism: OAUTHBEARER, oauth: {token_file: token}}`, true},
		"password in the clear":    {`brokers: ["b:1"], sasl: {mechanism: PLAIN, username: u, password_file: token}`, true},
		"proof of a password":      {`brokers: ["b:1"], sasl: {mechanism: SCRAM-SHA-512, username: u, password_file: token}`, false},
		"tokens on this machine":   {`brokers: ["127.0.0.1:1"], sasl: {mechanism: OAUTHBEARER, oauth: {token_file: token}}`, false},
		"tokens over TLS":          {`brokers: ["b:1"], tls: {}, sasl: {mechanism: OAUTHBEARER, oauth: {token_file: token}}`, false},
		"signed with a role's key": {`brokers: ["b:1"], tls: {}, sasl: {mechanism: AWS_MSK_IAM, aws: {region: us-gov-west-1, role_arn: "arn:aws-us-gov:iam::123456789012:role/a/b"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, err := load(t, map[string]string{"token": "hunter2", "sluice.yaml": "kafka: {clusters: {x: {" + test.cluster + "}}}\n" + rest}, nil)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(c.Warnings(), "\n")
			if strings.Contains(said, "kafka cluster x is sent credentials") != test.warned || strings.Contains(said, "hunter2") {
				t.Errorf("the warnings are\n%s", said)
			}
			if o := c.Kafka.Clusters["x"].SASL.OAuth; o != nil && (o.Timeout != 5*time.Second || o.Lifetime != 5*time.Minute || o.TokenFileEvery != 10*time.Second || o.ClientAuth != "basic") {
				t.Errorf("%+v", o)
			}
			if a := c.Kafka.Clusters["x"].SASL.AWS; a != nil && (a.RoleSession != "sluice" || a.Metadata || a.Timeout != 5*time.Second) {
				t.Errorf("%+v", a)
			}
		})
	}
}
