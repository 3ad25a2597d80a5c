package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// loadSchema loads a configuration with a stream, beside a file reading.json with a text.
func loadSchema(t *testing.T, stream, text string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	content := "kafka: {brokers: [\"127.0.0.1:9092\"]}\ngrants: [{anonymous: true, publish: [a]}]\nstreams:\n  a: " + stream + "\n"
	for name, text := range map[string]string{file: content, filepath.Join(dir, "reading.json"): text} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(config.Options{File: file, Environ: []string{}})
}

const withReading = `{topic: a, content: json, schema: {json: reading.json}}`

// TestSchemaFaults: a schema that cannot be checked is a fault of the configuration.
func TestSchemaFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stream, text, want string }{
		"no file named":  {`{topic: a, content: json, schema: {}}`, "", "streams/a/schema/json: is missing"},
		"no such file":   {`{topic: a, content: json, schema: {json: other.json}}`, "", "streams/a/schema/json: "},
		"no JSON":        {withReading, "{", "reading.json: the text is not JSON"},
		"another draft":  {withReading, `{"$schema": "http://json-schema.org/draft-03/schema#"}`, "reading.json: /$schema must name a draft that is supported"},
		"no schema":      {withReading, `{"properties": {"a": {"type": "text"}}}`, "reading.json: /properties/a/type is not a schema"},
		"too large":      {withReading, `{"title": "` + strings.Repeat("x", 1<<20) + `"}`, "more than 1048576"},
		"without JSON":   {`{topic: a, schema: {json: reading.json}}`, "{}", "streams/a/schema: values can match a schema only if they are JSON: set content: json"},
		"of text":        {`{topic: a, content: text, schema: {json: reading.json}}`, "{}", "streams/a/schema: values can match"},
		"another format": {`{topic: a, content: json, schema: {avro: a.avsc}}`, "{}", "streams/a/schema/avro: unknown key"},
		"of the audit":   {withReading + "\naudit: {stream: a}", "{}", "streams/a/schema: the server itself writes this stream"},
	} {
		_, err := loadSchema(t, c.stream, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// TestSchemaIsRead: relative to the file of the configuration. Another text is another
// configuration, and keywords without effect are a warning.
func TestSchemaIsRead(t *testing.T) {
	t.Parallel()
	const text = `{"type": "object", "x-owner": "us"}`
	c, err := loadSchema(t, withReading, text)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Streams["a"].Schema; string(s.Text) != text || c.Streams["a"].SchemaName() != "reading.json" {
		t.Errorf("got %q of %s", s.Text, c.Streams["a"].SchemaName())
	}
	if said := strings.Join(c.Warnings(), "\n"); strings.Contains(said, "schema") {
		t.Errorf("warned: %s", said)
	}
	misspelt, err := loadSchema(t, withReading, `{"properties": {"temp": {"maximun": 3}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(misspelt.Warnings(), "\n"); !strings.Contains(said, "the schema of stream a has an unknown keyword, which has no effect, at /properties/temp/maximun in reading.json") {
		t.Errorf("warned: %s", said)
	}
	older, err := loadSchema(t, withReading, `{"$schema": "http://json-schema.org/draft-07/schema#", "items": [{}], "additionalItems": false, "prefixItems": []}`)
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(older.Warnings(), "\n"); strings.Contains(said, "/additionalItems") || !strings.Contains(said, "the schema of stream a has a keyword without effect at /prefixItems in reading.json: draft-07 does not have it, or ignores it beside $ref") {
		t.Errorf("warned: %s", said)
	}
	other, err := loadSchema(t, withReading, text+"\n")
	if err != nil {
		t.Fatal(err)
	}
	other.Streams["a"].Schema.JSON = c.Streams["a"].Schema.JSON
	if changed := config.Changed(c, other); len(changed) != 1 || changed[0] != "streams" {
		t.Errorf("changed: %v", changed)
	}
}
