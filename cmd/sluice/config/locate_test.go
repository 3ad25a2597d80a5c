package config_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

var places = regexp.MustCompile(`(?m)^(\s*)\S*sluice\.yaml:\d+: `)

// placeless returns the text of faults without their places in the file.
func placeless(text string) string { return places.ReplaceAllString(text, "$1") }

// TestFaultsHavePlaces: a fault in the file has its line, wherever the file has the field;
// one of a missing field has that of its section, and one of a variable or flag has none.
func TestFaultsHavePlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file    string
		environ []string
		want    map[string]int // lines by path, 0 for none
	}{
		"section": {"# comment\nkafka: {brokers: [\"127.0.0.1:9092\"]}\nlimits:\n\n  ping_every: soon\n" + open, nil, map[string]int{"limits/ping_every": 5}},
		"list": {
			"kafka: {brokers: [\"127.0.0.1:9092\"]}\ngrants:\n  - {anonymous: true, subscribe: [\"*\"]}\n  - anonymous: true\n    replay: soon\n    subscribe: [\"*\"]\nstreams: {a: {topic: a}}\n", nil,
			map[string]int{"grants/1/replay": 5},
		},
		"anchor":   {"kafka: {brokers: [\"127.0.0.1:9092\"]}\nstreams:\n  a: &a\n    topic: a\n    slow: never\n  b: *a\ngrants: [{anonymous: true, subscribe: [\"*\"]}]\n", nil, map[string]int{"streams/a/slow": 5, "streams/b/slow": 5}},
		"missing":  {"kafka: {brokers: [\"127.0.0.1:9092\"]}\nstreams:\n  a: {}\ngrants: [{anonymous: true, subscribe: [\"*\"]}]\n", nil, map[string]int{"streams/a/topic": 3}},
		"not YAML": {"kafka:\n  brokers: [\n", nil, map[string]int{"": 2}},
		"twice":    {"listen: :1\nlisten: :2\n" + open, nil, map[string]int{"": 2}},
		"no file":  {open, nil, map[string]int{"kafka/brokers": 0}},
		"variable": {"kafka: {brokers: [\"127.0.0.1:9092\"]}\n" + open, []string{"SLUICE_LIMITS__PING_EVERY=soon"}, map[string]int{"limits/ping_every": 0}},
	} {
		_, _, err := load(t, map[string]string{"sluice.yaml": c.file}, c.environ)
		var faults config.Faults
		if !errors.As(err, &faults) || len(faults) != len(c.want) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, f := range faults {
			line, ok := c.want[f.Path]
			if !ok || f.Line != line || (line > 0) != strings.HasPrefix(f.String(), f.File+fmt.Sprintf(":%d: ", line)) {
				t.Errorf("%s: got %s at line %d, want %d", name, f, f.Line, line)
			}
		}
	}
}

const open = "grants: [{anonymous: true, subscribe: [\"*\"]}]\nstreams: {a: {topic: a}}\n"
