package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/ingest/rules"
	"sluice/transport"
)

// TestDuplicatesAreToldInEveryForm: what was answered before under the same message id is answered
// so again, stored or kept as a dead letter, whatever the form of the publish.
func TestDuplicatesAreToldInEveryForm(t *testing.T) {
	t.Parallel()
	const path = "/v1/streams/open/records"
	keys, err := rules.NewKeys("/k")
	if err != nil {
		t.Fatal(err)
	}
	in := start(t, options{open: []string{"open"}, config: func(c *transport.Config) {
		pipeline := ingest.New(c.Hub, nil, nil)
		pipeline.SetStreams(map[string]ingest.Stream{"open": {
			Once: messageIDs(t, c.Hub), Steps: []ingest.Step{keys}, DeadLetters: &ingest.DeadLetters{Stream: "orders", Topic: "orders", Now: time.Now},
		}})
		c.Ingest = pipeline
	}})
	tok := token(t, "u42", "live", time.Hour)
	for id, data := range map[string]string{"stored": `{"k":"a"}`, "letter": `{}`} {
		record := `"message_id":"` + id + `","data":` + data
		if _, _, first := in.do(http.MethodPost, path, tok, `{`+record+`}`, "Content-Type", "application/json"); strings.Contains(first, "duplicate") ||
			strings.Contains(first, "dead_lettered") != (id == "letter") {
			t.Errorf("%s: got %s", id, first)
		}
		for name, c := range map[string][2]string{
			"a record": {"application/json", `{` + record + `}`},
			"a batch":  {"application/json", `{"records":[{` + record + `}]}`},
			"lines":    {"application/x-ndjson", `{` + record + "}\n"},
		} {
			_, _, again := in.do(http.MethodPost, path, tok, c[1], "Content-Type", c[0])
			if strings.Count(again, `"duplicate":true`) != 1 || strings.Contains(again, "dead_lettered") != (id == "letter") {
				t.Errorf("%s, %s: got %s", id, name, again)
			}
		}
		s := in.dial("", tok)
		s.next()
		s.send(`{"type":"publish","id":"1","stream":"open",%s}`, record)
		if m := s.next(); m["duplicate"] != true {
			t.Errorf("%s, WebSocket: got %v", id, m)
		}
	}
}
