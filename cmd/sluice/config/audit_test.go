package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// TestAuditFaults: each file has one fault.
func TestAuditFaults(t *testing.T) {
	t.Parallel()
	const base = "kafka: {brokers: [\"127.0.0.1:9092\"]}\nstreams: {a: {topic: a}, audit: {topic: t}}\ngrants: [{anonymous: true, subscribe: [a]}]\n"
	for name, c := range map[string]struct{ file, want string }{
		"unknown stream":        {base + "audit: {stream: audits}\n", `audit/stream: "audits" is not in streams, did you mean "audit"?`},
		"not a stream's name":   {base + "audit: {stream: \"*\"}\n", `audit/stream: "*" is not a stream's name`},
		"a silent log":          {base + "audit: {log: true}\nlog: {level: warn}\n", "audit/log: has no effect with log/level warn"},
		"source with spaces":    {base + "audit: {source: \"a b\"}\n", `audit/source: "a b" is not a URI reference`},
		"other ways":            {base + "audit: {token_ids: hashed}\n", `audit/token_ids: "hashed" is not one of plain, digest, none`},
		"a small queue":         {base + "audit: {queue: 1}\n", "audit/queue: 1 is not between 100 and 1000000"},
		"few bytes":             {base + "audit: {queue_bytes: 1KiB}\n", "audit/queue_bytes: 1KiB is not between"},
		"sums of nothing":       {base + "audit: {sum_every: 0s}\n", "audit/sum_every: 0s is not between"},
		"a long end":            {base + "audit: {drain: 2m}\n", "audit/drain: 2m is not between"},
		"clients that write it": {strings.Replace(base, "subscribe: [a]", "publish: [audit]", 1) + "audit: {stream: audit}\n", `grants/0/publish/0: "audit" is audit/stream: only the server writes to it`},
		"another way to it":     {strings.Replace(base, "topic: a", "topic: t", 1) + "audit: {stream: audit}\n", `streams/a/topic: "t" is the topic of audit/stream`},
	} {
		_, err := config.Load(config.Options{Text: c.file, Environ: []string{}})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestAuditWarnings(t *testing.T) {
	t.Parallel()
	const base = "kafka: {brokers: [\"127.0.0.1:9092\"]}\nstreams: {a: {topic: a}, audit: {topic: t}}\naudit: {stream: audit, log: true}\n"
	for grants, warned := range map[string]bool{
		`[{anonymous: true, subscribe: ["*"], publish: ["*"]}]`: false,
		`[{anonymous: true, subscribe: [a, audit]}]`:            true,
	} {
		c, err := config.Load(config.Options{Text: base + "grants: " + grants, Environ: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(c.Warnings(), func(w string) bool { return strings.Contains(w, "audit") }); got != warned {
			t.Errorf("%s: warned is %v", grants, got)
		}
		if !c.Audit.Enabled() || c.Audit.Queue != 10_000 || c.Audit.QueueBytes != 8<<20 {
			t.Errorf("got %+v", c.Audit)
		}
	}
}

// TestTheExampleOfTheAudit: the example in the documentation is a valid configuration.
func TestTheExampleOfTheAudit(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "web", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Audit\n")
	_, example, _ := strings.Cut(section, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	c, err := config.Load(config.Options{Text: example, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Audit.Log || c.Audit.Stream != "audit" || len(c.Grants) != 2 {
		t.Errorf("got %+v", c.Audit)
	}
}
