package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// loadRegistry loads a configuration with a registry and a stream, beside the file secret.
func loadRegistry(t *testing.T, registry, stream string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	content := "kafka: {brokers: [\"127.0.0.1:9092\"]}\ngrants: [{anonymous: true, publish: [a]}]\nregistries: {main: " + registry + "}\nstreams:\n  a: " + stream + "\n"
	for name, text := range map[string]string{file: content, filepath.Join(dir, "secret"): "hunter2\n", filepath.Join(dir, "empty"): "", filepath.Join(dir, "key"): strings.Repeat("k", 40)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(config.Options{File: file, Environ: []string{}})
}

const (
	oneRegistry = `{urls: ["https://registry:8081"]}`
	inRegistry  = `{topic: a.v1, content: json_schema, schema: {registry: main}}`
)

// TestRegistryFaults: a registry that cannot be asked, or a schema that has no name in it, is
// a fault of the configuration.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	of := func(schema string) string {
		return `{topic: a.v1, content: json_schema, schema: {registry: main, ` + schema + `}}`
	}
	for name, c := range map[string]struct{ registry, stream, want string }{
		"no URL":                  {`{}`, inRegistry, "registries/main/urls: is missing"},
		"a password in the URL":   {`{urls: ["https://u:hunter2@r"]}`, inRegistry, "registries/main/urls/0: "},
		"a query":                 {`{urls: ["https://r?key=a"]}`, inRegistry, "registries/main/urls/0: "},
		"another scheme":          {`{urls: ["ftp://r"]}`, inRegistry, "registries/main/urls/0: "},
		"in the clear":            {`{urls: ["http://r"], username: u, password_file: secret}`, inRegistry, `registries/main/urls: "http://r" is not https: the credential would be sent in the clear`},
		"a token in the clear":    {`{urls: ["http://r"], token_file: secret}`, inRegistry, "the credential would be sent in the clear"},
		"a user without password": {`{urls: ["https://r"], username: u}`, inRegistry, "registries/main/password_file: is missing"},
		"a password without user": {`{urls: ["https://r"], password_file: secret}`, inRegistry, "registries/main/username: is missing"},
		"two credentials":         {`{urls: ["https://r"], username: u, password_file: secret, token_file: secret}`, inRegistry, "registries/main/token_file: cannot be combined"},
		"an empty token":          {`{urls: ["https://r"], token_file: empty}`, inRegistry, "registries/main/token_file: "},
		"unknown authorities":     {`{urls: ["https://r"], tls: {ca_file: secret}}`, inRegistry, "registries/main/tls/ca_file: "},
		"too often":               {`{urls: ["https://r"], refresh: 10ms}`, inRegistry, "registries/main/refresh: 10ms is not between 1s and 24h"},
		"another registry":        {oneRegistry, `{topic: a, content: json, schema: {registry: mian}}`, `streams/a/schema/registry: "mian" is not in registries`},
		"two schemas":             {oneRegistry, of(`json: secret`), "streams/a/schema/registry: cannot be combined with json"},
		"a file with a subject":   {oneRegistry, `{topic: a, content: json, schema: {json: secret, subject: s}}`, "streams/a/schema/json: cannot be combined with subject"},
		"framed from a file":      {oneRegistry, `{topic: a, content: json_schema, schema: {json: secret}}`, "streams/a/schema: content: json_schema stores values after the id of a schema, which a file does not have"},
		"not JSON":                {oneRegistry, `{topic: a, schema: {registry: main}}`, "streams/a/schema: values can match a schema only if they are JSON"},
		"Avro without registry":   {oneRegistry, `{topic: a, content: avro}`, "streams/a/schema: content: avro needs the registry"},
		"Avro from a file":        {oneRegistry, `{topic: a, content: auto, schema: {json: secret}}`, "streams/a/schema: content: auto needs the registry"},
		"Avro of no record":       {oneRegistry, `{topic: a, content: avro, schema: {registry: main, strategy: record}}`, "streams/a/schema/record: is missing"},
		"dead letters of Avro":    {oneRegistry, `{topic: a, content: avro, schema: {registry: main}, ingest: {on_invalid: dead_letter, dead_letter: a}}`, `streams/a/ingest/dead_letter: "a" is the same topic`},
		"Protobuf, no registry":   {oneRegistry, `{topic: a, content: protobuf}`, "streams/a/schema: content: protobuf needs the registry"},
		"a message for JSON":      {oneRegistry, `{topic: a, content: json_schema, schema: {registry: main, subject: s, record: R}}`, "streams/a/schema/record: has no effect without strategy"},
		"a message for Avro":      {oneRegistry, `{topic: a, content: avro, schema: {registry: main, record: R}}`, "streams/a/schema/record: has no effect without strategy"},
		"no record":               {oneRegistry, of(`strategy: record`), "streams/a/schema/record: is missing"},
		"a record for nothing":    {oneRegistry, of(`record: R`), "streams/a/schema/record: has no effect"},
		"two names":               {oneRegistry, of(`subject: s, strategy: record, record: R`), "streams/a/schema/subject: cannot be combined"},
		"another strategy":        {oneRegistry, of(`strategy: client`), "streams/a/schema/strategy: "},
		"a path in the subject":   {oneRegistry, of(`subject: ../x`), "streams/a/schema/subject: "},
		"dots":                    {oneRegistry, of(`subject: ..`), "streams/a/schema/subject: "},
		"no version":              {oneRegistry, of(`version: newest`), "streams/a/schema/version: "},
		"version 0":               {oneRegistry, of(`version: 0`), "streams/a/schema/version: "},
		"a subject for tenants":   {oneRegistry, "{topic: \"{tenant}.a\", content: json_schema, schema: {registry: main}}\ntenants: {claim: org}", "streams/a/schema/subject: is missing: the topic has {tenant}"},
		"Avro for tenants":        {oneRegistry, "{topic: \"{tenant}.a\", content: avro, schema: {registry: main}}\ntenants: {claim: org}", "streams/a/schema/subject: is missing: the topic has {tenant}"},
	} {
		_, err := loadRegistry(t, c.registry, c.stream)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// TestSubjects: how subjects are named, and versions.
func TestSubjects(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		``: "a.v1-value", `subject: s`: "s", `strategy: record, record: com.a.R`: "com.a.R", `strategy: topic_record, record: com.a.R`: "a.v1-com.a.R",
	} {
		c, err := loadRegistry(t, oneRegistry, `{topic: a.v1, content: json_schema, schema: {registry: main, `+schema+`}}`)
		if err != nil {
			t.Fatal(err)
		}
		s := c.Streams["a"]
		if s.SchemaSubject() != want || s.SchemaName() != "main/"+want || s.Schema.VersionNumber() != 0 {
			t.Errorf("%s: subject %s, named %s, version %d", schema, s.SchemaSubject(), s.SchemaName(), s.Schema.VersionNumber())
		}
	}
	c, err := loadRegistry(t, `{urls: ["http://registry:8081", "http://127.0.0.1:1"]}`, `{topic: a, content: json, schema: {registry: main, version: 17}}`)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Streams["a"].Schema.VersionNumber(); n != 17 {
		t.Errorf("version %d", n)
	}
	if said := strings.Join(c.Warnings(), "\n"); strings.Count(said, "without TLS: who can change them") != 1 || !strings.Contains(said, "registry main are fetched from http://registry:8081") {
		t.Errorf("warned: %s", said)
	}
	for file, want := range map[string]string{`username: u, password_file: secret`: "hunter2", `token_file: secret`: "hunter2", ``: ""} {
		c, err := loadRegistry(t, `{urls: ["https://r"], `+file+`}`, inRegistry)
		if err != nil {
			t.Fatal(err)
		}
		secret := c.Registries["main"].Secret()
		if (secret == nil) != (want == "") {
			t.Errorf("%s: has a secret: %v", file, secret != nil)
		}
		if secret != nil {
			if got, err := secret(); err != nil || got != want {
				t.Errorf("%s: got %q, %v", file, got, err)
			}
		}
	}
}

// TestAvroHasSubject: a stream in Avro has a subject, and dead letters, if a grant or a token
// can give the right to publish to it.
func TestAvroHasSubject(t *testing.T) {
	t.Parallel()
	const issuer = "\nauth: {issuers: [{issuer: i, audience: sluice, algorithms: [HS256], secret_file: key, authorization_details: [LIST]}]}"
	for name, c := range map[string]struct {
		stream string
		has    bool
	}{
		"a":                    {`{topic: a, content: avro, schema: {registry: main, subject: s, version: 2}}`, true},
		"a, of records":        {`{topic: a, content: auto, schema: {registry: main, strategy: record, record: com.a.R}}`, true},
		"a, of a message":      {`{topic: a, content: protobuf, schema: {registry: main, record: com.a.R}}`, true},
		"a, of one of any":     {`{topic: a, content: auto, schema: {registry: main, subject: s, record: com.a.R}}`, true},
		"b, in Protobuf":       {"{topic: a}\n  b: {topic: b, content: protobuf, schema: {registry: main}}", false},
		"a, with dead letters": {"{topic: a, content: avro, schema: {registry: main}, ingest: {on_invalid: dead_letter, dead_letter: bad}}\n  bad: {topic: bad}", true},
		"b":                    {"{topic: a}\n  b: {topic: b, content: avro, schema: {registry: main}}", false},
		"b, for tenants":       {"{topic: a}\n  b: {topic: \"{tenant}.b\", content: avro, schema: {registry: main}}\ntenants: {claim: org}", false},
		"b, by tokens":         {"{topic: a}\n  b: {topic: b, content: avro, schema: {registry: main}}" + strings.Replace(issuer, "LIST", `"b*"`, 1), true},
		"b, by other tokens":   {"{topic: a}\n  b: {topic: b, content: avro, schema: {registry: main}}" + strings.Replace(issuer, "LIST", `a`, 1), false},
		"b, of JSON":           {"{topic: a}\n  b: {topic: b, content: json_schema, schema: {registry: main}}", true},
		"b, of a file":         {"{topic: a}\n  b: {topic: b, content: json}", false},
	} {
		loaded, err := loadRegistry(t, oneRegistry, c.stream)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if of, _, _ := strings.Cut(name, ","); loaded.HasSubject(of) != c.has {
			t.Errorf("%s: has a subject: %v", name, !c.has)
		}
	}
}
