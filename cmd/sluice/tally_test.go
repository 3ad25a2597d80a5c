package main

import (
	"strings"
	"testing"
	"time"

	"sluice/transport/client"
)

func TestPick(t *testing.T) {
	t.Parallel()
	const record = `{"stream":"s","offset":7,"key":"a\tb","data":{"price":1.50,"items":[{"id":"x"}],"no":null,"text":"two\nlines \\"}}`
	fields := []string{"offset", "key", "data.price", "data.items.0.id", "data.no", "data.missing", "data.text", "data.items"}
	want := `7|a\tb|1.50|x|null|-|two\nlines \\|[{"id":"x"}]`
	if got := strings.ReplaceAll(string(pick([]byte(record), fields)), "\t", "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	seen := tally{begun: time.Unix(100, 0)}
	for _, event := range []client.Event{client.Record{}, client.Gap{}, client.Record{}, client.Status{}} {
		seen.note(event)
	}
	var out strings.Builder
	seen.print(&out, time.Unix(104, 0))
	if got := out.String(); got != "sluice: 2 records in 4s, 0.5 a second; 1 gaps\n" {
		t.Errorf("got %q", got)
	}
}
