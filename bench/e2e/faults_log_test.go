package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// fillEach writes n records of a generation into each partition.
func fillEach(ctx context.Context, t *testing.T, topic string, partitions, n, generation int) {
	t.Helper()
	client := kafkaClient(t, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer client.Close()
	var records []*kgo.Record
	for i := range n {
		for p := range partitions {
			records = append(records, &kgo.Record{
				Partition: int32(p), Key: fmt.Appendf(nil, "%d", i), Value: fmt.Appendf(nil, `{"n":%d,"generation":%d}`, i, generation),
			})
		}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// readPage reads a page from the beginning, of up to limit records, and returns its
// cursor and the position that the cursor stands for.
func readPage(ctx context.Context, t *testing.T, i *instance, stream string, partitions, limit int) (string, check.Position) {
	t.Helper()
	body, err := get(ctx, fmt.Sprintf("http://%s/v1/streams/%s/records?from=earliest&limit=%d", i.addr, stream, limit), token(t, "pages", "reader"))
	if err != nil {
		t.Fatal(err)
	}
	at := make(check.Position, partitions)
	records := gjson.Get(body, "records").Array()
	for _, r := range records {
		at[r.Get("partition").Int()] = r.Get("offset").Int() + 1
	}
	if len(records) == 0 {
		t.Fatalf("a page of %d is %s", limit, body)
	}
	return gjson.Get(body, "cursor").Str, at
}

// resumed returns witnesses that begin at a cursor over either transport, and, if an
// instance has the name, by name.
func resumed(t *testing.T, stream string, partitions int, cursor string, position check.Position, at ...*instance) []*witness {
	t.Helper()
	var all []*witness
	for n, i := range at {
		for _, over := range []clients.Transport{clients.OverSSE, clients.OverWS} {
			w := newWitness(t, fmt.Sprintf("%s-resumed-%s-%d", stream, over, n), over, stream, partitions, nil, i)
			w.StartAt(cursor, position)
			all = append(all, w)
		}
	}
	return all
}

// follows runs witnesses until they have everything, and checks what each received,
// in order, by partition.
func follows(ctx context.Context, t *testing.T, all []*witness, want func(partition int) []step) {
	t.Helper()
	var running crowd
	for _, w := range all {
		running.add(ctx, t, w)
	}
	running.running.Wait()
	saw(t, all, want)
}

// saw checks what each witness received, in order, by partition: each step's gap and
// offsets, and its data if that is given.
func saw(t *testing.T, all []*witness, want func(partition int) []step) {
	t.Helper()
	for _, w := range all {
		for _, remark := range w.Remarks {
			t.Errorf("%s: %s", w.Name, remark)
		}
		for p, got := range w.steps {
			same := func(got, want step) bool {
				return got.gap == want.gap && got.from == want.from && got.to == want.to && (want.data == "" || want.data == got.data)
			}
			if wanted := want(p); !slices.EqualFunc(got, wanted, same) {
				t.Errorf("%s, partition %d: got %s\nwant %s", w.Name, p, brief(got), brief(wanted))
			}
		}
	}
}

// brief formats steps with runs of records abbreviated.
func brief(steps []step) (text string) {
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		if s.gap != "" {
			text += fmt.Sprintf("[gap %s %d-%d] ", s.gap, s.from, s.to)
			continue
		}
		j := i
		for j+1 < len(steps) && steps[j+1].gap == "" && steps[j+1].from == steps[j].from+1 {
			j++
		}
		text += fmt.Sprintf("%d..%d (%s) ", s.from, steps[j].from, s.data)
		i = j
	}
	return text
}

// records is a run of records, from one offset up to before another.
func records(from, to int64) (steps []step) {
	for offset := from; offset < to; offset++ {
		steps = append(steps, step{from: offset})
	}
	return steps
}

// TestRetentionIsToldOnResume is about promises 1 and 5: a client that resumes where
// Kafka no longer keeps records must be told exactly which are missing, once per
// partition, and receive what follows.
func TestRetentionIsToldOnResume(t *testing.T) {
	const partitions, each = 3, 100
	kafka := threeBrokers(t)
	t.Parallel()
	topic(t, "retained", partitions)
	config := setup{streams: map[string]string{"retained": "retained"}}
	first := sluice(t, config)
	ctx := within(t, 60*time.Second)
	fillEach(ctx, t, "retained", partitions, each, 1)
	cursor, at := readPage(ctx, t, first, "retained", partitions, 60)

	// The records must be gone, not only from Kafka: another instance does not have
	// them in memory either.
	start := make(check.Position, partitions)
	for p := range partitions {
		start[p] = int64(70 + 10*p)
		if at[p] >= start[p] {
			t.Fatalf("the page is at %v, behind where retention is to strike", at)
		}
		if err := kafka.DeleteRecords(ctx, "retained", int32(p), start[p]); err != nil {
			t.Fatal(err)
		}
	}
	writeEnds(ctx, t, "retained", partitions)
	second := sluice(t, config)
	named := newWitness(t, "retained-named", clients.OverWS, "retained", partitions, nil, second)
	named.By = clients.ByName
	put(ctx, t, second, named.Token, "retained", named.Name, cursor)

	follows(ctx, t, append(resumed(t, "retained", partitions, cursor, at, second), named), func(p int) []step {
		return append([]step{{gap: "retention", from: at[p], to: start[p]}}, records(start[p], each+1)...)
	})

	// A page must report the same, and on_gap=fail must make it an error.
	address := fmt.Sprintf("http://%s/v1/streams/retained/records?limit=1000&from=%s", second.addr, cursor)
	body, err := get(ctx, address, token(t, "pages", "reader"))
	if err != nil {
		t.Fatal(err)
	}
	gaps := gjson.Get(body, "gaps").Array()
	if len(gaps) != partitions {
		t.Errorf("a page has the gaps %v", gaps)
	}
	for _, gap := range gaps {
		p := gap.Get("partition").Int()
		if gap.Get("reason").Str != "retention" || gap.Get("from").Int() != at[p] || gap.Get("to").Int() != start[p] {
			t.Errorf("a page has the gap %s, want %d to %d", gap.Raw, at[p], start[p])
		}
	}
	if _, err := get(ctx, address+"&on_gap=fail", token(t, "pages", "reader")); !answers(err, http.StatusGone, "retention") {
		t.Errorf("a page with on_gap=fail is answered %v, want 410 retention", err)
	}
}

// answers reports whether an error is a response with a status and code.
func answers(err error, status int, code string) bool {
	got, ok := err.(*clients.StatusError) //nolint:errorlint // get returns it unwrapped
	return ok && got.Status == status && gjson.Get(got.Body, "code").Str == code
}

// TestATopicMadeAgainIsTold is about promises 1, 2 and 5: no record of the old topic
// may be mistaken for one of the new topic, or vice versa.
func TestATopicMadeAgainIsTold(t *testing.T) {
	threeBrokers(t)
	t.Parallel()
	const partitions, before = 2, 30
	for name, after := range map[string]int{"Shorter": 10, "Longer": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka := servers(t)
			name := "remade-" + name
			topic(t, name, partitions)
			config := setup{streams: map[string]string{"remade": name}}
			first := sluice(t, config)
			ctx := within(t, 60*time.Second)
			fillEach(ctx, t, name, partitions, before, 1)
			live := gather(ctx, t, 2, "remade", partitions, nil, first)
			live.await(ctx, t, partitions*before)
			cursor, at := readPage(ctx, t, first, "remade", partitions, 25)
			tip, tipAt := readPage(ctx, t, first, "remade", partitions, partitions*before)

			if err := kafka.DeleteTopic(ctx, name); err != nil {
				t.Fatal(err)
			}
			topic(t, name, partitions)
			made := time.Now()
			fillEach(ctx, t, name, partitions, after, 2)
			writeEnds(ctx, t, name, partitions)
			live.running.Wait()
			t.Logf("all was received %v after the topic was made again", time.Since(made))

			generation := func(n, offset int) step {
				return step{from: int64(offset), data: fmt.Sprintf(`{"n":%d,"generation":%d}`, offset, n)}
			}
			second := func(p int) (steps []step) {
				for n := range after {
					steps = append(steps, generation(2, n))
				}
				return append(steps, step{from: int64(after), data: fmt.Sprintf(`{"end":%d}`, p)})
			}
			// The range of a log_changed gap has no meaning: only its reason and its
			// position among the steps count.
			void := func(all []*witness) {
				for _, w := range all {
					for _, steps := range w.steps {
						for i := range steps {
							if steps[i].gap == "log_changed" {
								steps[i].from, steps[i].to = 0, 0
							}
						}
					}
				}
			}
			changed := step{gap: "log_changed"}
			void(live.all)
			saw(t, live.all, func(p int) (steps []step) {
				for n := range before {
					steps = append(steps, generation(1, n))
				}
				return append(append(steps, changed), second(p)...)
			})
			live.stayed(t)

			late := sluice(t, config)
			returning := resumed(t, "remade", partitions, cursor, at, first, late)
			returning = append(returning, resumed(t, "remade", partitions, tip, tipAt, first, late)...)
			var running crowd
			for _, w := range returning {
				running.add(ctx, t, w)
			}
			running.running.Wait()
			void(returning)
			saw(t, returning, func(p int) []step { return append([]step{changed}, second(p)...) })

			// The cursor after the gap is one of the new log, so that the offsets
			// seen since count.
			for _, w := range live.all {
				w.By = clients.BySeen
				cursor, _, _ := w.Place()
				body, err := get(ctx, fmt.Sprintf("http://%s/v1/streams/remade/records?from=%s", late.addr, url.QueryEscape(cursor)), w.Token)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(gjson.Get(body, "records").Array()); n > 0 {
					t.Errorf("%s: its cursor, with what it has seen since, leads to %d records", w.Name, n)
				}
				if gaps := gjson.Get(body, "gaps").Array(); len(gaps) > 0 {
					t.Errorf("%s: its cursor leads to the gaps %v", w.Name, gaps)
				}
			}
		})
	}
}

// addPartitions increases the number of a topic's partitions.
func addPartitions(ctx context.Context, t *testing.T, topic string, partitions int) {
	t.Helper()
	client := kafkaClient(t)
	defer client.Close()
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.TimeoutMillis = 30_000
	more := kmsg.NewCreatePartitionsRequestTopic()
	more.Topic, more.Count = topic, int32(partitions)
	request.Topics = append(request.Topics, more)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	for _, answered := range answer.Topics {
		if err := kerr.ErrorForCode(answered.ErrorCode); err != nil {
			t.Fatal(err)
		}
	}
	eventually(ctx, t, "the new partitions have leaders", func() error {
		described, err := describe(ctx, client, topic)
		if err != nil {
			return err
		}
		if len(described) != partitions {
			return fmt.Errorf("there are %d", len(described))
		}
		for _, p := range described {
			if p.Leader < 0 || p.ErrorCode != 0 {
				return fmt.Errorf("partition %d has none", p.Partition)
			}
		}
		return nil
	})
}

// TestPartitionsAreAdded is about promises 1 and 5: new partitions must be read from
// their beginning, and old cursors must remain valid.
func TestPartitionsAreAdded(t *testing.T) {
	threeBrokers(t)
	t.Parallel()
	const before, after, each = 2, 4, 20
	topic(t, "grows", before)
	config := setup{streams: map[string]string{"grows": "grows"}}
	first := sluice(t, config)
	ctx := within(t, 60*time.Second)
	fillEach(ctx, t, "grows", before, each, 1)
	live := gather(ctx, t, 2, "grows", after, nil, first)
	live.await(ctx, t, before*each)
	cursor, at := readPage(ctx, t, first, "grows", after, 15)
	publish := &clients.Publisher{Session: "grows", Stream: "grows", Addr: first.addr, Token: token(t, "grows", "writer")}
	if err := publish.OverHTTP(ctx, 1); err != nil {
		t.Fatal(err)
	}

	addPartitions(ctx, t, "grows", after)
	added := time.Now()
	fillEach(ctx, t, "grows", after, each, 2)
	live.await(ctx, t, before*each+1+after*each)
	t.Logf("the new partitions were read %v after they were made", time.Since(added))
	live.stayed(t)

	// Records published with a key must go to the same partition as those of other
	// clients.
	plain := kafkaClient(t, kgo.DefaultProduceTopic("grows"))
	eventually(ctx, t, "publishing uses the new partitions", func() error {
		n := len(publish.Sent())
		if err := publish.OverHTTP(ctx, n+14); err != nil {
			t.Fatal(err)
		}
		for _, sent := range publish.Sent()[n:] {
			record := &kgo.Record{Key: []byte(sent.Key), Value: []byte("{}")}
			if err := plain.ProduceSync(ctx, record).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if sent.Answer != check.Stored || sent.Partition != record.Partition {
				return fmt.Errorf("key %q goes to partition %d, and others put it into %d", sent.Key, sent.Partition, record.Partition)
			}
		}
		return nil
	})
	t.Logf("publishing used the new partitions after %v at most", time.Since(added))
	writeEnds(ctx, t, "grows", after)
	live.running.Wait()

	log := readLog(ctx, t, "grows", after).Log
	var returning crowd
	for _, w := range resumed(t, "grows", after, cursor, at, first, sluice(t, config)) {
		returning.add(ctx, t, w)
	}
	returning.running.Wait()
	judge(t, log, append(live.subscribers(), returning.subscribers()...))
	if err := check.Publishers(log, publish.Sent()[1:]).Faults[check.StoredMissing]; err > 0 {
		t.Errorf("%d records are not where they are said to be", err)
	}
}

// alterTopic replaces settings of a topic.
func alterTopic(ctx context.Context, t *testing.T, topic string, settings map[string]string) {
	t.Helper()
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for name, value := range settings {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = name, &value
		resource.Configs = append(resource.Configs, config)
	}
	request.Resources = append(request.Resources, resource)
	answer, err := request.RequestWith(ctx, kafkaClient(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, altered := range answer.Resources {
		if err := kerr.ErrorForCode(altered.ErrorCode); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPositionsPassOverHoles is about promises 1 and 5 with sparse offsets:
// compaction and aborted transactions leave holes, and cursors may point into them.
func TestPositionsPassOverHoles(t *testing.T) {
	const partitions, rounds, size = 2, 40, 20
	kafka := threeBrokers(t)
	t.Parallel()
	ctx := within(t, 90*time.Second)
	if err := kafka.CreateTopic(ctx, "holes", partitions, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "500",
	}); err != nil {
		t.Fatal(err)
	}
	config := setup{streams: map[string]string{"holes": "holes"}}
	first := sluice(t, config)
	client := kafkaClient(t, kgo.DefaultProduceTopic("holes"), kgo.TransactionalID("holes"))
	type place struct {
		cursor string
		at     check.Position
	}
	var places []place // cursors from before the log is cleaned
	committed := 0
	for round := range rounds {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range size {
			client.Produce(ctx, &kgo.Record{
				Key: fmt.Appendf(nil, "%d-%d", round%7, n%11), Value: fmt.Appendf(nil, `{"round":%d,"n":%d}`, round, n),
			}, nil)
		}
		if err := client.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if round%3 != 2 {
			committed += size
		}
		if err := client.EndTransaction(ctx, kgo.TransactionEndTry(round%3 != 2)); err != nil {
			t.Fatal(err)
		}
		if round%7 == 4 {
			cursor, at := readPage(ctx, t, first, "holes", partitions, 1+15*round)
			places = append(places, place{cursor, at})
		}
		pause(ctx, 50*time.Millisecond)
	}
	pause(ctx, 300*time.Millisecond) // so that the end is in a segment of its own
	writeEnds(ctx, t, "holes", partitions)

	// The log is cleaned once it no longer changes and has fewer records than were
	// written.
	var contents *clients.Contents
	last := -1
	eventually(ctx, t, "the log is cleaned", func() error {
		contents = readLog(ctx, t, "holes", partitions)
		visible := contents.Visible
		defer func() { last = visible }()
		if visible >= committed*3/4 || visible != last {
			pause(ctx, time.Second)
			return fmt.Errorf("%d records of %d are left", visible, committed)
		}
		return nil
	})
	// From here on nothing is removed: what is read below must be what is compared.
	alterTopic(ctx, t, "holes", map[string]string{"cleanup.policy": "delete", "retention.ms": "-1"})
	eventually(ctx, t, "the log stays as it is", func() error {
		pause(ctx, 2*time.Second) // a cleaning under way ends
		contents = readLog(ctx, t, "holes", partitions)
		before := last
		if last = contents.Visible; last != before {
			return fmt.Errorf("%d records were left, and then %d", before, last)
		}
		return nil
	})
	t.Logf("%d of %d committed records are left, and %d aborted ones", contents.Visible, committed, contents.Aborted)
	inHoles := 0
	for _, place := range places {
		for p, offset := range place.at {
			if !slices.ContainsFunc(contents.Log.Visible[p], func(e check.Entry) bool { return e.Offset == offset }) {
				inHoles++
			}
		}
	}
	if inHoles == 0 {
		t.Error("no cursor points into a hole: compaction did not strike")
	}

	second := sluice(t, config) // which never had the removed records
	var running crowd
	for n, place := range places {
		for _, w := range resumed(t, "holes", partitions, place.cursor, place.at, second) {
			w.Name += fmt.Sprintf("-place-%d", n)
			running.add(ctx, t, w)
		}
	}
	for n, by := range []clients.Resume{clients.ByCursor, clients.BySeen, clients.ByName, clients.ByCursor, clients.BySeen} {
		w := newWitness(t, fmt.Sprintf("holes-cut-%d", n), []clients.Transport{clients.OverWS, clients.OverWS, clients.OverWS, clients.OverSSE, clients.OverSSE}[n], "holes", partitions, nil, second)
		w.By, w.CutEvery = by, 4_000
		running.add(ctx, t, w)
	}
	running.running.Wait()
	report := judge(t, contents.Log, running.subscribers())
	if report.Reconnects < 5 {
		t.Errorf("only %d reconnects: the cuts did not strike", report.Reconnects)
	}
}
