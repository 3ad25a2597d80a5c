package transport_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/record"
)

// TestEveryGapIsTold: each reason for a gap is reported on WebSockets, event
// streams, NDJSON and pages alike, and is counted.
func TestEveryGapIsTold(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-time.Hour).UnixMilli()
	tests := map[string]struct {
		before, after func(*instance)
		from, to      float64
	}{
		"retention": {
			func(in *instance) { in.publish("orders", 0, 0, 5) },
			func(in *instance) { in.topics.Expire("orders", 0, 3) }, 1, 3,
		},
		"log_changed": {
			func(in *instance) { in.publish("orders", 0, 0, 5) },
			func(in *instance) { in.topics.Create("orders", 2); in.publish("orders", 0, 0, 5) }, 1, 0,
		},
		"truncated": {
			func(in *instance) { in.publish("orders", 0, 0, 5) },
			func(in *instance) { in.topics.Truncate("orders", 0, 0); in.publish("orders", 0, 0, 5) }, 0, 1,
		},
		"unreadable": {
			func(in *instance) { in.publish("orders", 0, 0, 1) },
			func(in *instance) { in.topics.Append("orders", record.Record{Value: []byte("{")}) }, 1, 2,
		},
		"too_large": {
			func(in *instance) { in.publish("orders", 0, 0, 1) },
			func(in *instance) {
				in.topics.Append("orders", record.Record{Value: []byte(`"` + strings.Repeat("x", 5000) + `"`)})
			}, 1, 2,
		},
		"policy": {
			func(in *instance) {
				in.topics.Append("public.news", record.Record{Value: []byte("1"), Timestamp: old})
				in.topics.Append("public.news", record.Record{Value: []byte("2"), Timestamp: time.Now().UnixMilli()})
			},
			func(*instance) {}, 0, 1,
		},
	}
	for reason, c := range tests {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{stream: func(s *hub.Stream) { s.Content, s.RecordBytes = event.ContentJSON, 1000 }})
			stream, tok, from := "orders", token(t, "u", "live", time.Hour), "earliest"
			c.before(in)
			if reason == "policy" {
				stream, tok = "public.news", ""
			} else {
				from = in.page(stream, "from=earliest&limit=1", tok).Cursor
			}
			in.noLongerRead(stream)
			c.after(in)
			check := func(where string, gap message) {
				t.Helper()
				if gap.str("reason") != reason || gap.str("stream") != stream || gap["partition"] != 0.0 || gap["from"] != c.from || gap["to"] != c.to {
					t.Errorf("%s: got %v", where, gap)
				}
			}
			socket := in.dial("?stream="+stream+"&from="+from, tok)
			if tok == "" {
				socket.send(`{"type":"ping","id":"p"}`)
			}
			check("WebSocket", socket.until("gap"))
			events := in.reads("/v1/streams/"+stream+"/events?from="+from, tok)
			check("event stream", events.until("sluice.gap").json(t))
			events.cancel()
			lines := in.reads("/v1/streams/"+stream+"/events?from="+from, tok, "Accept", "application/x-ndjson")
			for gap := (message{}); gap.str("type") != "gap"; {
				line, err := lines.lines.ReadBytes('\n')
				if err != nil {
					t.Fatal(err)
				}
				gap = message{}
				if err := json.Unmarshal(line, &gap); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				if gap.str("type") == "event" && reason != "log_changed" && reason != "truncated" && gap["offset"].(float64) >= c.to {
					t.Fatalf("a record comes before the gap: %s", line)
				}
				if gap.str("type") == "gap" {
					check("lines", gap)
				}
			}
			lines.cancel()
			page := in.page(stream, "from="+from, tok)
			if len(page.Gaps) == 0 {
				t.Fatalf("the page has no gap: %+v", page)
			}
			check("page", page.Gaps[0])
			if told := in.sample(`sluice_gaps_total{reason="` + reason + `",stream="` + stream + `"}`); told < 4 {
				t.Errorf("%v gaps were counted", told)
			}
		})
	}
}
