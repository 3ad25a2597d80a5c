package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestRewind: what is taken back is returned again, from the end of the event to
// which the last written byte belongs, whatever the filter.
func TestRewind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		keys []string
		req  hub.Request
	}{
		{"all", nil, hub.Request{}},
		{"by key", []string{"k1", "k2"}, hub.Request{Keys: []string{"k1", "k2"}}},
		{"by key, with the feed's name", []string{"k1", "k2"}, hub.Request{Keys: []string{"k1", "k2"}, Labelled: true}},
		{"by field", []string{"k1", "k2"}, hub.Request{Filter: filter.In(filter.Header("key"), filter.String("k1"), filter.String("k2"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 2)
			h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 8 << 20 })
			r := subscribe(t, h, c.req)
			random := rand.New(rand.NewPCG(3, 4))
			// By partition, in order.
			want, got := map[int32][]string{}, map[int32][]string{}
			given := 0
			for round := range 200 {
				for n := range 1 + random.IntN(20) {
					key, p := fmt.Sprintf("k%d", random.IntN(4)), int32(random.IntN(2))
					value := fmt.Sprintf("%d-%d", round, n)
					topics.Append("orders.v1", record.Record{
						Partition: p, Key: []byte(key), Value: fmt.Appendf(nil, "%q", value),
						Headers: []record.Header{{Name: []byte("key"), Value: []byte(key)}},
					})
					if c.keys == nil || slices.Contains(c.keys, key) {
						want[p] = append(want[p], value)
					}
				}
				deadline := time.Now().Add(time.Minute)
				for len(got[0]) < len(want[0]) || len(got[1]) < len(want[1]) {
					if time.Now().After(deadline) {
						t.Fatalf("round %d: got %d and %d events, want %d and %d", round, len(got[0]), len(got[1]), len(want[0]), len(want[1]))
					}
					var b hub.Batch
					from := r.Bookmark()
					more := r.Next(&b, frame{}, 1+random.IntN(4000))
					text := bytes.Join(b.Bufs, nil)
					if len(text) > 0 && random.IntN(2) == 0 {
						written := random.IntN(len(text))
						if stay, ok := r.Rewind(from, frame{}, written); ok {
							given++
							if stay.Bytes <= written || stay.Bytes >= len(text) || bytes.Count(text[:stay.Bytes], []byte("\n")) != stay.Records {
								t.Fatalf("%+v of %d bytes stay for %d that were written", stay, len(text), written)
							}
							text, more = text[:stay.Bytes], true
						}
					}
					for line := range bytes.Lines(text) {
						var e struct {
							Partition int32
							Data      string
						}
						if err := json.Unmarshal(line, &e); err != nil {
							t.Fatalf("%q: %v", line, err)
						}
						got[e.Partition] = append(got[e.Partition], e.Data)
					}
					if !more {
						time.Sleep(100 * time.Microsecond)
					}
				}
			}
			for p := range want {
				if !slices.Equal(got[p], want[p]) {
					t.Errorf("partition %d: got %q, want %q", p, got[p], want[p])
				}
			}
			if given < 50 {
				t.Errorf("only %d times something was given back", given)
			}
		})
	}
}
