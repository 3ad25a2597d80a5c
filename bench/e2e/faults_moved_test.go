package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// TestTheClusterWasMoved is about promises 1 and 5: the topic's records were copied
// to another cluster, with their timestamps and at other offsets. A client with a
// cursor of the old cluster must be told log_changed and must not receive one record
// in place of another; a client that resumes with the time of the last record it has
// seen must miss none.
func TestTheClusterWasMoved(t *testing.T) {
	const partitions, n, seen = 2, 60, 40
	threeBrokers(t)
	t.Parallel()
	ctx := within(t, 60*time.Second)
	fresh := servers(t)
	old, err := shared.one()
	stack.Check(t, err)
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, cluster := range []*stack.Stack{old, fresh} {
		if err := cluster.CreateTopic(ctx, "moved", partitions, nil); err != nil {
			t.Fatal(err)
		}
	}
	mirror(ctx, t, old, 0, n, partitions, began)
	// The copy begins at a later record than the original did.
	mirror(ctx, t, fresh, -25, n, partitions, began)
	kafka := func(s *stack.Stack) string {
		return fmt.Sprintf("kafka: {brokers: [%s]}", strings.Join(s.Bootstrap(), ", "))
	}
	streams := map[string]string{"moved": "moved"}
	before, after := sluice(t, setup{streams: streams, kafka: kafka(old)}), sluice(t, setup{streams: streams, kafka: kafka(fresh)})
	bearer := token(t, "moved", "reader")

	page := func(i *instance, from string, limit int) gjson.Result {
		body, err := get(ctx, fmt.Sprintf("http://%s/v1/streams/moved/records?limit=%d&from=%s", i.addr, limit, url.QueryEscape(from)), bearer)
		if err != nil {
			t.Fatal(err)
		}
		return gjson.Parse(body)
	}
	had := page(before, "earliest", seen)
	got := make(map[string]bool) // what the client has seen
	last := int64(0)
	for _, r := range had.Get("records").Array() {
		got[r.Get("data").Raw] = true
		last = max(last, r.Get("ts").Int())
	}
	if len(got) != seen {
		t.Fatalf("the first page has %d records", len(got))
	}

	// By cursor: all offsets are invalid, and the client starts again.
	cursor := had.Get("cursor").Str
	moved := page(after, cursor, 1_000)
	reasons := moved.Get("gaps.#.reason").Array()
	if len(reasons) != partitions {
		t.Errorf("a page has the gaps %s", moved.Get("gaps").Raw)
	}
	for _, reason := range reasons {
		if reason.Str != "log_changed" {
			t.Errorf("a page has a gap %s", reason.Str)
		}
	}
	if all := len(moved.Get("records").Array()); all != n+25 {
		t.Errorf("behind the gap there are %d records, want all %d", all, n+25)
	}
	w := newWitness(t, "moved", clients.OverWS, "moved", partitions, nil, after)
	w.StartAt(cursor, make([]int64, partitions))
	if err := clients.WriteEnds(ctx, fresh.Bootstrap(), "moved", partitions); err != nil {
		t.Fatal(err)
	}
	var running crowd
	running.add(ctx, t, w)
	running.running.Wait()
	for p, steps := range w.steps {
		if len(steps) == 0 || steps[0].gap != "log_changed" {
			t.Errorf("partition %d begins with %s, want log_changed", p, brief(steps[:min(3, len(steps))]))
		}
	}

	// By time: from the newest record that the client has seen, minus the clock
	// skew.
	from := time.UnixMilli(last).UTC().Format(time.RFC3339Nano)
	resumed := page(after, from, 1_000)
	if gaps := resumed.Get("gaps").Array(); len(gaps) > 0 {
		t.Errorf("by time there are the gaps %v", gaps)
	}
	again := 0
	for _, r := range resumed.Get("records").Array() {
		if got[r.Get("data").Raw] {
			again++
		}
		got[r.Get("data").Raw] = true
	}
	t.Logf("by time, %d records came again", again)
	if again > partitions {
		t.Errorf("%d records came again, want those of the same time at most", again)
	}
	for k := range n {
		if value := movedValue(k); !got[value] {
			t.Errorf("record %s is missing", value)
		}
	}
}

func movedValue(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }

// mirror writes numbered records from a first number on, a second apart, in turn to
// each partition.
func mirror(ctx context.Context, t *testing.T, to *stack.Stack, first, end, partitions int, began time.Time) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(to.Bootstrap()...), kgo.DefaultProduceTopic("moved"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for n := first; n < end; n++ {
		records = append(records, &kgo.Record{
			Partition: int32((n + 1000*partitions) % partitions), Key: fmt.Append(nil, n), Value: []byte(movedValue(n)),
			Timestamp: began.Add(time.Duration(n) * time.Second),
		})
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
