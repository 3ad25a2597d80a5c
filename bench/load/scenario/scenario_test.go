package scenario_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/load/scenario"
)

func TestScenariosOfThisPackage(t *testing.T) {
	t.Parallel()
	names := scenario.Names()
	for _, want := range []string{
		"idle-ws", "idle-sse", "broadcast-100", "broadcast-max", "keyed", "field", "cel", "hostile", "single", "stalled", "storm", "mixed",
		"publish", "publish-batches", "publish-http", "publish-lines", "publish-schemas", "streams", "growth-clients", "growth-partitions", "growth-filters",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no scenario %s", want)
		}
	}
	for _, name := range names {
		s, err := scenario.Find(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.Title == name || len(s.Targets) == 0 {
			t.Errorf("%s: named %q, titled %q, %d targets", name, s.Name, s.Title, len(s.Targets))
		}
		for _, run := range s.Variants() {
			if err := run.Check(); err != nil {
				t.Errorf("%s: %v", run.Title, err)
			}
		}
	}
}

func TestFileOfOnesOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "7-mine.yaml")
	text := "rate: 10\nmeasure: 2s\nclients: [{kind: ws, count: 3}, {kind: sse, count: 2}]\nvary: {of: rate, values: [10, 40]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Find(file)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "mine" || s.Measure != 2*time.Second || s.Connections() != 5 || s.Partitions != 6 || s.RecordBytes != 200 {
		t.Errorf("got %+v", s)
	}
	runs := s.Variants()
	if len(runs) != 2 || runs[1].Rate != 40 || s.Vary.Growth() != 4 {
		t.Errorf("got %+v", runs)
	}
	if _, err := scenario.Find("no-such"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestScenariosThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nobody":         "rate: 1",
		"unknown field":  "rates: 1\nclients: [{kind: ws, count: 1}]",
		"kind":           "clients: [{kind: mqtt, count: 1}]",
		"filter":         "clients: [{kind: ws, count: 1, filter: x}]",
		"hostile first":  "rate: 1\nclients: [{kind: ws, count: 1, filter: hostile}]",
		"hostile burst":  "burst: 1\nclients: [{kind: ws, count: 1}, {kind: ws, count: 1, filter: hostile}]",
		"hostile idle":   "clients: [{kind: ws, count: 1}, {kind: ws, count: 1, filter: hostile}]",
		"field":          "streams: 2\nclients: [{kind: ws, count: 1, filter: field}]",
		"cores":          "cores: -1\nclients: [{kind: ws, count: 1}]",
		"negative group": "clients: [{kind: ws, count: 5}, {kind: ws, count: -1}]",
		"too many":       "clients: [{kind: ws, count: 1000000}]",
		"rate and burst": "rate: 1\nburst: 1\nclients: [{kind: ws, count: 1}]",
		"idle storm":     "storm: true\nclients: [{kind: ws, count: 1}]",
		"keys":           "streams: 7\nkeys: 60\nrate: 1\nclients: [{kind: ws, count: 1}]",
		"vary":           "clients: [{kind: ws, count: 1}]\nvary: {of: colour, values: [1, 2]}",
		"falling":        "clients: [{kind: ws, count: 1}]\nvary: {of: clients, values: [2, 1]}",
		"filter of bare": "rate: 1\nclients: [{kind: ws, count: 1, filter: key}]\ntargets: [p99_ms <= bare * 1.2]",
		"bare idle":      "clients: [{kind: ws, count: 1}]\ntargets: [p99_ms <= bare * 1.2]",
		"measure":        "clients: [{kind: ws, count: 1}]\ntargets: [speed <= 3]",
		"not YAML":       "{",
		"SSE publishes":  "publish: 1\nclients: [{kind: sse, count: 1}]",
		"posts read":     "rate: 1\nclients: [{kind: http, count: 1}]",
		"key publishes":  "publish: 1\nclients: [{kind: ws, count: 1, filter: key}]",
		"batch":          "publish: 1\nbatch: 1001\nclients: [{kind: ws, count: 1}]",
		"batch of none":  "batch: 2\nclients: [{kind: ws, count: 1}]",
		"schema":         "publish: 1\nreading: true\nschema: xml\nclients: [{kind: ws, count: 1}]",
		"schema of none": "publish: 1\nschema: json\nclients: [{kind: ws, count: 1}]",
		"vary schema":    "publish: 1\nreading: true\nclients: [{kind: ws, count: 1}]\nvary: {of: schema, values: [1, 2]}",
		"TLS and bare":   "publish: 1\ntls: server\nclients: [{kind: ws, count: 1}]\ntargets: [ack_p99_ms <= bare * 2]",
	} {
		if _, err := scenario.Parse(name, []byte(text)); !errors.Is(err, scenario.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEachSchemaHasARun(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("mine", []byte("publish: 1\nreading: true\nclients: [{kind: ws, count: 1}]\nvary: {of: schema}"))
	if err != nil {
		t.Fatal(err)
	}
	runs := s.Variants()
	if len(runs) != len(scenario.Schemas) || s.Vary.Growth() != 0 {
		t.Fatalf("%d runs of %d schemas", len(runs), len(scenario.Schemas))
	}
	for i, run := range runs {
		schema, ok := scenario.SchemaOf(run.Schema)
		if !ok || schema.Name != scenario.Schemas[i].Name || !strings.HasSuffix(run.Title, schema.Title) || run.Batch != 1 {
			t.Errorf("run %d: %+v", i, run)
		}
		if err := run.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	measured := scenario.Values{"p99_ms": 12, "server_cores": 1.5, "deliveries_per_cpu_second": 3e6}
	reference := map[string]scenario.Values{
		scenario.OfFloor:  {"p99_ms": 8},
		scenario.OfBare:   {"p99_ms": 8},
		scenario.OfBefore: {"p99_ms": 9},
		scenario.OfFirst:  {"server_cores": 0.1},
	}
	for text, want := range map[string]struct {
		met    bool
		missed float64
	}{
		"p99_ms <= 12":                           {met: true},
		"p99_ms <= 10":                           {missed: 0.2},
		"p99_ms <= floor + 4":                    {met: true},
		"p99_ms <= floor + 2":                    {missed: 0.2},
		"p99_ms <= floor * 1.5":                  {met: true},
		"p99_ms <= bare * 1.5":                   {met: true},
		"p99_ms <= bare * 1.2":                   {missed: 0.25},
		"p99_ms <= before * 1":                   {missed: 1.0 / 3},
		"p99_ms >= 24":                           {missed: 0.5},
		"deliveries_per_cpu_second >= 3_000_000": {met: true},
		"server_cores <= linear":                 {met: true},
		"server_cores <= first * 10":             {missed: 0.5},
	} {
		target, err := scenario.ParseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := target.Judge(measured, reference, 20)
		if !got.Known || got.Met != want.met || got.Missed()-want.missed > 1e-9 || want.missed-got.Missed() > 1e-9 {
			t.Errorf("%s: %+v, missed by %v", text, got, got.Missed())
		}
		if again, err := scenario.ParseTarget(target.String()); err != nil || again != target {
			t.Errorf("%s is written as %s: %v", text, target, err)
		}
	}
	for _, unknown := range []string{"p50_ms <= 3", "server_cores <= floor + 1"} {
		target, err := scenario.ParseTarget(unknown)
		if got := target.Judge(measured, reference, 20); err != nil || got.Known || got.Met {
			t.Errorf("%s: %+v, %v", unknown, got, err)
		}
	}
	for _, bad := range []string{
		"", "p99_ms", "p99_ms < 3", "p99_ms <= fast", "p99_ms <= floor +", "p99_ms <= floor / 3", "p99_ms <= floor + x",
		"p99_ms <= linear + 3", "p99_ms <= NaN", "speed <= 3", strings.Repeat("p99_ms ", 9),
	} {
		if _, err := scenario.ParseTarget(bad); !errors.Is(err, scenario.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("rate: 10\nclients: [{kind: ws, count: 3}]\ntargets: [p99_ms <= floor + 3]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := scenario.Parse("fuzz", text)
		if err == nil && (s.Connections() < 1 || s.Keys < 1 || s.Measure <= 0) {
			t.Errorf("%q is valid: %+v", text, s)
		}
	})
}
