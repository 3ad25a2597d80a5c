package config_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// TestTenants: which topics of tenants are accepted, and what is said of the others.
func TestTenants(t *testing.T) {
	t.Parallel()
	const tenants = "tenants: {claim: tenant}\n"
	for name, c := range map[string]struct {
		more, streams string
		fault         string
	}{
		"own and common":        {tenants, `orders: {topic: "{tenant}.orders"}, eu: {topic: "{tenant}.orders.eu"}, news: {topic: news}`, ""},
		"by host":               {`tenants: {host: "{tenant}.example.com"}`, `orders: {topic: "{tenant}.orders"}`, ""},
		"alone":                 {tenants, `orders: {topic: "{tenant}"}, news: {topic: common.news}`, ""},
		"in the middle":         {tenants, `orders: {topic: "t.{tenant}.orders"}, news: {topic: "t.{tenant}.news"}`, ""},
		"the same":              {tenants, `orders: {topic: "{tenant}.orders"}, again: {topic: "{tenant}.orders"}`, ""},
		"no tenants":            {"", `orders: {topic: "{tenant}.orders"}`, "streams/orders/topic: has {tenant}, but the section tenants is missing"},
		"nothing":               {"tenants: {}", `orders: {topic: a}`, "tenants: set claim or host"},
		"twice":                 {tenants, `orders: {topic: "{tenant}.{tenant}"}`, "is not a Kafka topic"},
		"too long":              {tenants, fmt.Sprintf(`orders: {topic: "{tenant}.%s"}`, strings.Repeat("x", 186)), "is not a Kafka topic"},
		"as long as can be":     {tenants, fmt.Sprintf(`orders: {topic: "{tenant}.%s"}`, strings.Repeat("x", 185)), ""},
		"another placeholder":   {tenants, `orders: {topic: "{org}.orders"}`, "is not a Kafka topic"},
		"created":               {tenants, `orders: {topic: "{tenant}.orders", partitions: 3}`, "streams/orders/partitions: topics of tenants are not created by the server"},
		"a tenant named common": {tenants, `orders: {topic: "{tenant}.orders"}, all: {topic: common.orders}`, "two tenants could have the topic common.orders"},
		"suffix in an id":       {tenants, `orders: {topic: "{tenant}-orders"}, eu: {topic: "{tenant}-orders-eu"}`, ""},
		"suffix of another":     {tenants, `orders: {topic: "{tenant}-orders"}, eu: {topic: "{tenant}-eu-orders"}`, "two tenants could have the topic"},
		"prefix of another":     {tenants, `orders: {topic: "o-{tenant}"}, eu: {topic: "o-eu-{tenant}"}`, "two tenants could have the topic"},
		"before and after":      {tenants, `orders: {topic: "{tenant}.x"}, eu: {topic: "y.{tenant}"}`, "two tenants could have the topic y.x"},
		"other clusters":        {"tenants: {claim: tenant}\nX: Y", `orders: {topic: "{tenant}-a"}`, "unknown key"},
		"a host without tenant": {`tenants: {host: "example.com"}`, `orders: {topic: a}`, "tenants/host:"},
		"a host with a port":    {`tenants: {host: "{tenant}.example.com:443"}`, `orders: {topic: a}`, "tenants/host:"},
		"another claim":         {tenants + "auth: {revocations: {tenant_claim: org}}", `orders: {topic: a}`, "auth/revocations/tenant_claim: is another claim than tenants/claim"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
kafka: {brokers: ["127.0.0.1:9092"]}
grants: [{anonymous: true, subscribe: ["*"]}]
streams: {%s}
%s
`, c.streams, c.more)})
			switch {
			case c.fault == "" && err != nil:
				t.Error(err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("got %v, want %s", err, c.fault)
			}
		})
	}
}
