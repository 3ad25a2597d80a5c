package config_test

import (
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
	"sluice/hub/ingest/rules"
)

// TestIngestFaults: each stream has one fault.
func TestIngestFaults(t *testing.T) {
	t.Parallel()
	const base = "kafka: {brokers: [\"127.0.0.1:9092\"]}\ngrants: [{anonymous: true, publish: [a]}]\n"
	const dead = "on_invalid: dead_letter, dead_letter: d"
	for name, c := range map[string]struct{ streams, want string }{
		"a word":                    {`a: {topic: a, ingest: {key: maybe}}`, `streams/a/ingest/key: "maybe" is neither optional nor required`},
		"a template":                {`a: {topic: a, ingest: {key: "{sub"}}`, "streams/a/ingest/key: the template has a brace"},
		"a pointer":                 {`a: {topic: a, content: json, ingest: {key: "/a~"}}`, "streams/a/ingest/key: in a pointer"},
		"a pointer into anything":   {`a: {topic: a, ingest: {key: /id}}`, "streams/a/ingest/key: a key can be found in the data only if that is JSON: set content: json"},
		"a kind":                    {`a: {topic: a, ingest: {kinds: [xml]}}`, `streams/a/ingest/kinds/0: "xml" is not one of json, text, bytes, tombstone`},
		"a kind twice":              {`a: {topic: a, ingest: {kinds: [json, json]}}`, "streams/a/ingest/kinds: contains a value twice"},
		"text in JSON":              {`a: {topic: a, content: json, ingest: {kinds: [json, text]}}`, "streams/a/ingest/kinds/1: subscribers of the stream cannot be shown text: its content is json"},
		"bytes in text":             {`a: {topic: a, content: text, ingest: {kinds: [bytes]}}`, "streams/a/ingest/kinds/0: subscribers"},
		"a size":                    {`a: {topic: a, ingest: {max: {key_bytes: 2MiB}}}`, "streams/a/ingest/max/key_bytes: 2MiB is not between 1B and 1MiB"},
		"a number of headers":       {`a: {topic: a, ingest: {max: {headers: -1}}}`, "streams/a/ingest/max/headers: -1 is not between"},
		"a header's name":           {`a: {topic: a, ingest: {headers: {allow: ["a*b"]}}}`, `streams/a/ingest/headers/allow: "a*b" is not the name of a header`},
		"a reserved header":         {`a: {topic: a, ingest: {headers: {set: {Sluice-id: "{sub}"}}}}`, `streams/a/ingest/headers/set: header "Sluice-id": names that begin with sluice- are reserved`},
		"a header's template":       {`a: {topic: a, ingest: {headers: {set: {id: "{"}}}}`, `streams/a/ingest/headers/set: header "id": the template`},
		"other ways":                {`a: {topic: a, ingest: {on_invalid: drop}}`, `streams/a/ingest/on_invalid: "drop" is not one of reject, dead_letter`},
		"no dead letters":           {`a: {topic: a, ingest: {on_invalid: dead_letter}}`, "streams/a/ingest/dead_letter: is missing: the stream for invalid records"},
		"unknown dead letters":      {`a: {topic: a, ingest: {` + dead + `}}`, `streams/a/ingest/dead_letter: "d" is not in streams`},
		"dead letters of none":      {`a: {topic: a, ingest: {dead_letter: d}}` + "\n  d: {topic: d}", "streams/a/ingest/dead_letter: has no effect without on_invalid: dead_letter"},
		"dead letters in itself":    {`a: {topic: a, ingest: {on_invalid: dead_letter, dead_letter: a}}`, `streams/a/ingest/dead_letter: "a" is the same topic`},
		"dead letters in the topic": {`a: {topic: a, ingest: {` + dead + `}}` + "\n  d: {topic: a}", `streams/a/ingest/dead_letter: "d" is the same topic`},
		"dead letters that go on":   {`a: {topic: a, ingest: {` + dead + `}}` + "\n  d: {topic: d, ingest: {on_invalid: dead_letter, dead_letter: e}}\n  e: {topic: e}", `streams/a/ingest/dead_letter: "d" has on_invalid: dead_letter itself`},
		"dead letters of JSON":      {`a: {topic: a, ingest: {` + dead + `}}` + "\n  d: {topic: d, content: json}", `streams/a/ingest/dead_letter: "d" has content: json`},
		"dead letters in the audit": {`a: {topic: a, ingest: {` + dead + `}}` + "\n  d: {topic: d}\naudit: {stream: d}", `streams/a/ingest/dead_letter: "d" is the stream of audit events`},
		"dead letters of tenants":   {`a: {topic: "{tenant}.a", ingest: {` + dead + `}}` + "\n  d: {topic: d}\ntenants: {claim: t}", "streams/a/ingest/dead_letter: either both topics have {tenant}, or neither"},
	} {
		_, err := config.Load(config.Options{Text: base + "streams:\n  " + c.streams + "\n", Environ: []string{}})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestWhatStreamsAccept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		content string
		kinds   []string
		want    rules.Kinds
	}{
		{"", nil, rules.Kinds{Bytes: true, Tombstones: true}},
		{"bytes", nil, rules.Kinds{Bytes: true, Tombstones: true}},
		{"json", nil, rules.Kinds{JSON: true, Tombstones: true}},
		{"text", nil, rules.Kinds{Text: true, Tombstones: true}},
		{"json", []string{"json"}, rules.Kinds{JSON: true}},
		{"", []string{"tombstone", "text"}, rules.Kinds{Text: true, Tombstones: true}},
	} {
		s := config.Stream{Content: tt.content, Ingest: config.Ingest{Kinds: tt.kinds}}
		if got := s.Accepts(); got != tt.want {
			t.Errorf("%q, %v: got %+v, want %+v", tt.content, tt.kinds, got, tt.want)
		}
	}
}
