package config_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

func TestLayersOverrideEachOther(t *testing.T) {
	t.Parallel()
	file := small + "listen: 127.0.0.1:1\nadmin: {listen: 127.0.0.1:2}\nlog: {level: warn, format: text}\norigins: [\"https://a.example\"]\n"
	c, _, err := load(t, map[string]string{"sluice.yaml": file}, []string{
		"SLUICE_LISTEN=127.0.0.1:3",
		"SLUICE_ADMIN__LISTEN=127.0.0.1:4",
		"SLUICE_LOG__LEVEL=error",
		"SLUICE_LIMITS__SESSIONS_PER_PRINCIPAL=7",
		"SLUICE_LIMITS__MESSAGE_BYTES=1MiB",
		"SLUICE_AUTH__ACCESS_TOKEN_IN_QUERY=true",
		"SLUICE_ORIGINS=https://b.example, https://c.example",
		"SLUICE_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1",
		"SLUICE_STREAMS__MARKET_TICKS__CONTENT=json",
		"UNRELATED=1",
	}, "--listen", "127.0.0.1:5", "--set", "limits/ping_every=30s", "--set", "streams/market.ticks/linger=5m")
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string][2]any{
		"flag over environment":        {c.Listen, "127.0.0.1:5"},
		"environment over file":        {c.Admin.Listen, "127.0.0.1:4"},
		"file over default":            {c.Log.Format, "text"},
		"nested environment":           {c.Log.Level, "error"},
		"number from the environment":  {c.Limits.SessionsPerPrincipal, 7},
		"size from the environment":    {c.Limits.MessageBytes, config.Size(1 << 20)},
		"boolean from the environment": {c.Auth.AccessTokenInQuery, true},
		"set":                          {c.Limits.PingEvery, 30 * time.Second},
		"set within a table":           {c.Streams["market.ticks"].Linger, 5 * time.Minute},
		"environment within a table":   {c.Streams["market.ticks"].Content, "json"},
		"the rest of that entry":       {c.Streams["market.ticks"].Topic, "ticks"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %v, want %v", what, got[0], got[1])
		}
	}
	if want := []string{"https://b.example", "https://c.example"}; !slices.Equal(c.Origins, want) {
		t.Errorf("lists are replaced: got %v, want %v", c.Origins, want)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}; !slices.Equal(c.TrustedProxies, want) {
		t.Errorf("trusted proxies are %v, want %v", c.TrustedProxies, want)
	}
}

// A container may have no file at all.
func TestEnvironmentAlone(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Options{Environ: []string{
		"SLUICE_KAFKA__BROKERS=b1:9092,b2:9092",
		"SLUICE_GRANTS=[{anonymous: true, subscribe: [news], replay: unlimited}]",
		"SLUICE_STREAMS={news: {topic: news}}",
		"SLUICE_STREAMS__NEWS__CONTENT=text",
	}})
	if err == nil {
		t.Fatalf("a field of a stream that no file has was taken: %+v", c)
	}
	c, err = config.Load(config.Options{Environ: []string{
		"SLUICE_KAFKA__BROKERS=b1:9092,b2:9092",
		"SLUICE_GRANTS=[{anonymous: true, subscribe: [news], replay: unlimited}]",
		"SLUICE_STREAMS={news: {topic: news}}",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Kafka.Brokers) != 2 || c.Grants[0].Replay != config.Unlimited || c.Streams["news"].Topic != "news" {
		t.Errorf("got %+v", c)
	}
}

func TestEnvironmentFaultsNameTheVariable(t *testing.T) {
	t.Parallel()
	_, _, err := load(t, map[string]string{"sluice.yaml": small}, []string{
		"SLUICE_LISTENN=:1",
		"SLUICE_LIMITS__PING_EVERY=soon",
		"SLUICE_STREAMS__MARKET_TOCKS__TOPIC=x",
		"SLUICE_STREAMS__MARKET_TICKS=",
		"SLUICE_LISTEN__PORT=1",
		"SLUICE_GRANTS=[",
		"SLUICE_LIMITS__JSON_DEPTH=deep",
		"SLUICE_LIMITS_MESSAGE_BYTES=1MiB",
		"SLUICE_KAFKA__PRODUCE_FAIL_AFTER=1s",
	}, "--log-level=loud", "--set", "limits.ping_every=30s", "--set", "market.ticks=1")
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		`SLUICE_LISTENN: unknown key, did you mean "listen"?`,
		`limits/ping_every (SLUICE_LIMITS__PING_EVERY): "soon" is not a duration`,
		`SLUICE_STREAMS__MARKET_TOCKS__TOPIC: the file has no entry with the name MARKET_TOCKS`,
		`SLUICE_STREAMS__MARKET_TICKS: set one of the fields of streams/market.ticks`,
		`SLUICE_LISTEN__PORT: unknown key: listen has no fields`,
		`grants (SLUICE_GRANTS): is not valid YAML`,
		`limits/json_depth (SLUICE_LIMITS__JSON_DEPTH): expected a whole number, got a string`,
		`log/level (--log-level): "loud" is not one of`,
		`SLUICE_LIMITS_MESSAGE_BYTES: unknown key: two underscores separate levels, as in SLUICE_LIMITS__MESSAGE_BYTES`,
		`SLUICE_KAFKA__PRODUCE_FAIL_AFTER: unknown key: two underscores separate levels, as in SLUICE_KAFKA__PRODUCE__FAIL_AFTER`,
		`limits.ping_every (--set): unknown key, did you mean "limits/ping_every"?`,
		"market.ticks (--set): unknown key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

// Kubernetes sets such variables in every pod for a service called sluice.
func TestVariablesOfKubernetesAreLeftAlone(t *testing.T) {
	t.Parallel()
	if _, _, err := load(t, map[string]string{"sluice.yaml": small}, []string{
		"SLUICE_SERVICE_HOST=10.0.0.1", "SLUICE_SERVICE_PORT=80", "SLUICE_SERVICE_PORT_HTTP=80", "SLUICE_PORT=tcp://10.0.0.1:80",
		"SLUICE_PORT_80_TCP=tcp://10.0.0.1:80", "SLUICE_PORT_80_TCP_PROTO=tcp", "SLUICE_PORT_80_TCP_PORT=80", "SLUICE_PORT_80_TCP_ADDR=10.0.0.1",
		"SLUICE_ADMIN_SERVICE_HOST=10.0.0.1", "SLUICE_ADMIN_PORT_8081_TCP_ADDR=10.0.0.1",
	}); err != nil {
		t.Error(err)
	}
}

// The whole example of the documentation must load.
func TestWholeExample(t *testing.T) {
	t.Parallel()
	c, dir, err := load(t, map[string]string{"fleet.key": strings.Repeat("k", 40) + "\n", "sluice.yaml": `
listen: 127.0.0.1:8080
trusted_proxies: ["127.0.0.1/32"]
admin: {listen: 127.0.0.1:8081}
kafka: {brokers: ["127.0.0.1:9092"]}
redis: {url: "redis://:hunter2@127.0.0.1:6379/0"}
auth:
  issuers:
    - {issuer: "https://id.example.com", audience: sluice, algorithms: [RS256], jwks_url: "https://id.example.com/keys"}
    - {issuer: fleet, audience: sluice, algorithms: [HS256], secret_file: fleet.key}
grants:
  - {when: {scope: live}, subscribe: ["market.*"], replay: 24h}
  - {when: {role: device}, publish: [iot.telemetry]}
  - {anonymous: true, subscribe: [public.news]}
streams:
  market.ticks: {topic: market.ticks.v2}
  iot.telemetry: {topic: telemetry, partitions: 6}
  public.news: {topic: news}
limits: {sessions_per_principal: 20}
`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := c.Auth.Issuers[1]
	if issuer.SecretFile != config.Path(filepath.Join(dir, "fleet.key")) {
		t.Errorf("the secret's file is %s: not relative to the configuration", issuer.SecretFile)
	}
	if issuer.Secret.Reveal() != strings.Repeat("k", 40) {
		t.Error("the secret is not what the file holds, without its line end")
	}
	if len(c.Warnings()) != 0 {
		t.Errorf("got warnings %v", c.Warnings())
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", c, *c, *c, c.Redis.URL), string(encoded)} {
		if strings.Contains(printed, "hunter2") || strings.Contains(printed, "kkkk") {
			t.Errorf("a secret is printed: %s", printed)
		}
	}
	if c.Redis.URL.Reveal() != "redis://:hunter2@127.0.0.1:6379/0" {
		t.Error("the URL has lost its password")
	}
}

func TestLimitsOfZeroAreNone(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, map[string]string{"sluice.yaml": small + "limits: {message_bytes: 0, ping_every: 0, json_keys: 0, stream_log: 0}\n"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.MessageBytes != 0 || c.Limits.PingEvery != 0 || c.Limits.JSONKeys != 0 {
		t.Errorf("got %+v", c.Limits)
	}
	if log := c.Streams["market.ticks"].LogBytes; log != c.Limits.LogMemory {
		t.Errorf("without a limit of its own a stream's log has %s, want limits/log_memory", log)
	}
}
