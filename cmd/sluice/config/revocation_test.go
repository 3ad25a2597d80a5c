package config_test

import (
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

// TestSwitches: a section that is a switch is written as true, false or a section, in each
// layer.
func TestSwitches(t *testing.T) {
	t.Parallel()
	const base = `
kafka: {brokers: ["127.0.0.1:9092"]}
redis: {url: "redis://127.0.0.1:6379"}
streams: {a: {topic: a}}
grants: [{anonymous: true, subscribe: ["*"]}]
`
	for text, c := range map[string]struct {
		environ []string
		tickets *config.Tickets
		cookie  string
		fault   string
	}{
		"":                                    {},
		"auth: {tickets: true, cookie: true}": {nil, &config.Tickets{TTL: 30 * time.Second, PerPrincipal: 100}, "strict", ""},
		"auth: {tickets: {}, cookie: {}}":     {nil, &config.Tickets{TTL: 30 * time.Second, PerPrincipal: 100}, "strict", ""},
		"auth: {tickets: false}":              {nil, nil, "", ""},
		"auth: {tickets: {ttl: 1m}}":          {nil, &config.Tickets{TTL: time.Minute, PerPrincipal: 100}, "", ""},
		"auth: {cookie: {same_site: none}}":   {nil, nil, "none", ""},
		"auth: {tickets: {ttl: 5s}} # env":    {[]string{"SLUICE_AUTH__TICKETS=false", "SLUICE_AUTH__COOKIE=true"}, nil, "strict", ""},
		"# env":                               {[]string{"SLUICE_AUTH__TICKETS=true", "SLUICE_AUTH__TICKETS__TTL=1m"}, &config.Tickets{TTL: time.Minute, PerPrincipal: 100}, "", ""},
		"auth: {tickets: 3}":                  {nil, nil, "", "auth/tickets: expected a section of fields, got a number"},
		"auth: {tickets: yes please}":         {nil, nil, "", "auth/tickets: expected a section of fields, got a string"},
		"auth: {tickets: }":                   {nil, nil, "", "auth/tickets: has no value"},
		"auth: {tickets: {ttl: 1h}}":          {nil, nil, "", "auth/tickets/ttl: 1h is not between 1s and 10m"},
		"auth: {tickets: {lifetime: 1m}}":     {nil, nil, "", "auth/tickets/lifetime: unknown key"},
		"auth: {cookie: {same_site: all}}":    {nil, nil, "", `auth/cookie/same_site: "all" is not one of strict, lax, none`},
		"auth: {revocations: true}":           {nil, nil, "", "auth/revocations: expected a section of fields, got true"},
		"auth: {revocations: {keep: 1s}}":     {nil, nil, "", "auth/revocations/keep: 1s is not between 1m and 366d"},
		"auth: {revocations: {poll: 1h}}":     {nil, nil, "", "auth/revocations/poll: 1h is not between 1s and 1m"},
		"admin: {hosts: [\"https://a\"]}":     {nil, nil, "", `admin/hosts/0: "https://a" is not a host name`},
		"tls: true":                           {nil, nil, "", "tls: expected a section of fields, got true"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if c.environ == nil {
				c.environ = []string{}
			}
			got, err := config.Load(config.Options{Environ: c.environ, Text: base + text})
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("got %v, want %s", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (got.Auth.Tickets == nil) != (c.tickets == nil) || c.tickets != nil && *got.Auth.Tickets != *c.tickets {
				t.Errorf("tickets are %+v", got.Auth.Tickets)
			}
			if (got.Auth.Cookie == nil) != (c.cookie == "") || c.cookie != "" && got.Auth.Cookie.SameSite != c.cookie {
				t.Errorf("the cookie is %+v", got.Auth.Cookie)
			}
		})
	}
}

// TestTicketsRequireRedis: the fault says what to do.
func TestTicketsRequireRedis(t *testing.T) {
	t.Parallel()
	const base = `
kafka: {brokers: ["127.0.0.1:9092"]}
streams: {a: {topic: a}}
grants: [{anonymous: true, subscribe: ["*"]}]
`
	_, err := config.Load(config.Options{Environ: []string{}, Text: base + "auth: {tickets: true}\n"})
	if err == nil || !strings.Contains(err.Error(), "auth/tickets: requires redis") {
		t.Errorf("got %v", err)
	}
	_, err = config.Load(config.Options{Environ: []string{}, Text: base + "auth: {issuers: [{issuer: i, audience: a, algorithms: [RS256], jwks_url: \"https://i\", logout_audience: x}]}\n"})
	if err == nil || !strings.Contains(err.Error(), "auth/issuers/0/logout_audience: has no effect without backchannel_logout") {
		t.Errorf("got %v", err)
	}
}
