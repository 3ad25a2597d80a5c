package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCloudEventsOfJavaScript: the CloudEvents SDK for JavaScript publishes events in each
// content mode, and its parsers find them again as they were in pages, in event streams, and in
// Kafka, where they are stored in either mode of the Kafka binding.
func TestCloudEventsOfJavaScript(t *testing.T) {
	t.Parallel()
	node := nodeProgram(t, "cloudevents.cjs")
	names := []string{"events-binary", "events-structured"}
	for _, name := range names {
		topic(t, name, 3)
	}
	i := sluice(t, setup{more: "  events-binary: {topic: events-binary}\n  events-structured: {topic: events-structured, cloudevents: structured}\n"})
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			url := "http://" + i.addr + "/v1/streams/" + name
			var answers [][2]string
			if err := json.Unmarshal([]byte(node.run(ctx, t, "", "publish", url+"/records", token(t, "node", "writer"))), &answers); err != nil {
				t.Fatal(err)
			}
			count := 0
			for _, answer := range answers {
				stored := strings.Count(answer[1], `"offset":`)
				if count += stored; stored == 0 || strings.Contains(answer[1], `"code"`) {
					t.Errorf("%s is answered %s", answer[0], answer[1])
				}
			}
			if out := node.run(ctx, t, "", "read", url, token(t, "node", "reader"), fmt.Sprint(count)); out != "" {
				t.Error(out)
			}

			var lines strings.Builder
			log := kafkaClient(t, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			for n := 0; n < count; {
				fetches := log.PollFetches(ctx)
				if err := fetches.Err0(); err != nil {
					t.Fatal(err)
				}
				fetches.EachRecord(func(r *kgo.Record) {
					n++
					headers := make(map[string]string)
					for _, h := range r.Headers {
						headers[h.Key] = string(h.Value)
					}
					if structured := headers["content-type"] == "application/cloudevents+json"; structured != (name == "events-structured") {
						t.Errorf("stored with the headers %v", headers)
					}
					line, err := json.Marshal(map[string]any{"key": text(r.Key), "value": r.Value, "headers": headers})
					if err != nil {
						t.Error(err)
					}
					lines.Write(append(line, '\n'))
				})
			}
			if out := node.run(ctx, t, lines.String(), "kafka"); out != "" {
				t.Error(out)
			}
		})
	}
}

// text is bytes as a text, or null.
func text(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}
