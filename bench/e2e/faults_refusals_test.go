package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/bench/check"
	"sluice/bench/clients"
	"sluice/bench/stack"
)

// TestTooFewReplicasIsNotStored is about promise 7: with too few replicas in sync a
// publish must be refused as certainly not stored, subscribers must lose nothing,
// and publishing must work again once the replicas are back; until then the log must
// not report that it does. The instance is configured with only the broker that
// dies.
func TestTooFewReplicasIsNotStored(t *testing.T) {
	const partitions = 2
	kafka := threeBrokers(t)
	ctx := within(t, 90*time.Second)
	if err := kafka.CreateTopic(ctx, "replicas", partitions, map[string]string{"min.insync.replicas": "3"}); err != nil {
		t.Fatal(err)
	}
	inSync(ctx, t, "replicas")
	victim := kafka.Brokers[2]
	i := sluice(t, setup{kafka: knowsOnly(victim), streams: map[string]string{"replicas": "replicas"}})
	all := gather(ctx, t, 2, "replicas", partitions, nil, i)
	p := &clients.Publisher{Session: "replicas", Stream: "replicas", Addr: i.addr, Token: token(t, "replicas", "writer"), Every: 20 * time.Millisecond}
	if err := p.OverHTTP(ctx, 20); err != nil {
		t.Fatal(err)
	}
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	deposed(ctx, t, kafka, "replicas", victim)
	before, began := len(p.Sent()), time.Now()
	if err := p.OverHTTP(ctx, before+15); err != nil {
		t.Fatal(err)
	}
	slowest := time.Since(began)
	refused := 0
	for _, sent := range p.Sent()[before+5:] { // publishes in flight when the leader died may be unknown
		if sent.Answer != check.NotStored {
			t.Errorf("with two replicas of three in sync, a publish is answered %v", sent.Answer)
		}
		refused++
	}
	if log, err := os.ReadFile(i.LogFile()); err != nil || bytes.Contains(log, []byte("available for writes again")) {
		t.Errorf("with too few replicas the log says that the partition is available again (%v)", err)
	}
	startBrokers(ctx, t, kafka)
	inSync(ctx, t, "replicas")
	awaitStored(ctx, t, p)
	t.Logf("%d publishes refused, all within %v", refused, slowest)
	writeEnds(ctx, t, "replicas", partitions)
	log := readLog(ctx, t, "replicas", partitions).Log
	all.running.Wait()
	judge(t, log, all.subscribers())
	all.stayed(t)
	if err := check.Publishers(log, p.Sent()).Err(); err != nil {
		t.Error(err)
	}
}

// TestLeadersMoveEverySecond is about promises 1, 2 and 8: with leaders that move
// repeatedly, no record may be lost, duplicated or reordered, for subscribers and
// publishers.
func TestLeadersMoveEverySecond(t *testing.T) {
	const partitions, moves = 3, 8
	kafka := threeBrokers(t)
	topic(t, "moving", partitions)
	ctx := within(t, 90*time.Second)
	inSync(ctx, t, "moving")
	i := sluice(t, setup{streams: map[string]string{"moving": "moving"}})
	flow := startFlow(ctx, t, "moving", 200)
	all := gather(ctx, t, 3, "moving", partitions, flow, i)
	all.await(ctx, t, 100)
	stop := make(chan struct{})
	p := &clients.Publisher{Session: "moving", Stream: "moving", Addr: i.addr, Token: token(t, "moving", "writer"), Every: 5 * time.Millisecond, Until: stop}
	published := make(chan error, 1)
	go func() { published <- p.OverWebSocket(ctx, 1<<30) }()
	moved := 0
	for n := range moves {
		before, err := kafka.Leaders(ctx, "moving")
		if err != nil {
			t.Fatal(err)
		}
		moveLeaders(ctx, t, "moving", partitions, n)
		pause(ctx, time.Second)
		after, err := kafka.Leaders(ctx, "moving")
		if err != nil {
			t.Fatal(err)
		}
		for p := range after {
			if after[p] != before[p] {
				moved++
			}
		}
	}
	close(stop)
	if err := <-published; err != nil {
		t.Error(err)
	}
	lag := all.takeLag()
	t.Logf("%d moves of a leader; records arrived up to %v late; %d published", moved, lag, len(p.Sent()))
	if moved < moves*partitions/2 {
		t.Errorf("only %d moves of a leader: the fault did not strike", moved)
	}
	flow.end()
	writeEnds(ctx, t, "moving", partitions)
	log := readLog(ctx, t, "moving", partitions).Log
	all.running.Wait()
	judge(t, log, all.subscribers())
	all.stayed(t)
	if err := check.Publishers(log, p.Sent()).Err(); err != nil {
		t.Error(err)
	}
}

// moveLeaders puts another replica first in each partition, and makes it the leader.
func moveLeaders(ctx context.Context, t *testing.T, topic string, partitions, round int) {
	t.Helper()
	client := kafkaClient(t)
	defer client.Close()
	assign := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	assign.TimeoutMillis = 10_000
	assigned := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	assigned.Topic = topic
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.TimeoutMillis = 10_000
	elected := kmsg.NewElectLeadersRequestTopic()
	elected.Topic = topic
	for p := range int32(partitions) {
		partition := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		partition.Partition = p
		for n := range int32(3) {
			partition.Replicas = append(partition.Replicas, 1+(p+int32(round)+n)%3)
		}
		assigned.Partitions = append(assigned.Partitions, partition)
		elected.Partitions = append(elected.Partitions, p)
	}
	assign.Topics = append(assign.Topics, assigned)
	elect.Topics = append(elect.Topics, elected)
	if answer, err := assign.RequestWith(ctx, client); err != nil {
		t.Fatal(err)
	} else if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		t.Fatal(err)
	}
	if answer, err := elect.RequestWith(ctx, client); err != nil {
		t.Fatal(err)
	} else if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// TestRightsAreWithdrawnFromTheServer is about promise 12, when Kafka no longer lets
// Sluice read and write a topic: sessions must stay open and be notified, publishes
// must be refused, and everything must continue once the rights are back. Clients of
// another topic must not be affected.
func TestRightsAreWithdrawnFromTheServer(t *testing.T) {
	t.Parallel()
	ctx := within(t, 90*time.Second)
	own, err := stack.Start(t.Context(), stack.Options{Brokers: 1, SASL: true, ACLs: true})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	user := own.Users[0]
	allow := func(topic string) {
		if err := own.Allow(ctx, user.Name, topic, kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"taken", "left"} {
		if err := own.CreateTopic(ctx, name, 1, nil); err != nil {
			t.Fatal(err)
		}
		allow(name)
	}
	writer, err := kgo.NewClient(kgo.SeedBrokers(own.Bootstrap()...))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	put := func(topic, key string) {
		if err := writer.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(`{}`)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	file := t.TempDir() + "/password"
	write(t, file, user.Password)
	i := sluice(t, setup{
		kafka: fmt.Sprintf("kafka: {brokers: [%q], tls: {ca_file: %q}, sasl: {mechanism: PLAIN, username: %s, password_file: %q}}",
			own.Brokers[0].SASLAddr, own.CAFile, user.Name, file),
		streams: map[string]string{"taken": "taken", "left": "left"},
	})
	var running crowd
	join := func(stream string, over clients.Transport) *witness {
		w := newWitness(t, stream+"-"+string(over), over, stream, 1, nil, i)
		running.add(ctx, t, w)
		return w
	}
	taken := []*witness{join("taken", clients.OverSSE), join("taken", clients.OverWS)}
	left := join("left", clients.OverWS)
	put("taken", "a")
	put("left", "a")
	running.await(ctx, t, 1)

	struck := time.Now()
	if err := own.Withdraw(ctx, user.Name, "taken"); err != nil {
		t.Fatal(err)
	}
	for _, w := range taken {
		eventually(ctx, t, w.Name+" is told", func() error {
			if told := w.since(struck); len(told) == 0 || told[0].live {
				return fmt.Errorf("it was told %v", told)
			}
			return nil
		})
		t.Logf("%s was told %v after the rights were gone", w.Name, w.since(struck)[0].at.Sub(struck))
	}
	p := &clients.Publisher{Session: "taken", Stream: "taken", Addr: i.addr, Token: token(t, "u", "writer")}
	body := `{"data":{}}`
	status, answer := post(ctx, t, i, "taken", p.Token, body)
	if status < 400 || gjson.Get(answer, "code").Str == "publish_unknown" {
		t.Errorf("a publish is answered %d %s", status, answer)
	}
	t.Logf("a publish is answered %d %s", status, answer)
	put("taken", "while nobody could read")
	put("left", "b")
	eventually(ctx, t, "the other stream goes on", func() error {
		if n := left.received(); n < 2 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	if told := left.since(struck); len(told) > 0 {
		t.Errorf("who reads another stream was told %v", told)
	}

	back := time.Now()
	allow("taken")
	put("taken", clients.EndKey)
	put("left", clients.EndKey)
	running.running.Wait()
	t.Logf("all was received %v after the rights were back", time.Since(back))
	eventually(ctx, t, "a publish is stored", func() error {
		if status, answer := post(ctx, t, i, "taken", p.Token, body); status != http.StatusOK {
			return fmt.Errorf("it is answered %d %s", status, answer)
		}
		return nil
	})
	running.stayed(t)
	for _, w := range taken {
		if w.received() != 3 || len(w.Remarks) > 0 {
			t.Errorf("%s has received %d records, want 3; %v", w.Name, w.received(), w.Remarks)
		}
	}
}

// post publishes a record.
func post(ctx context.Context, t *testing.T, i *instance, stream, bearer, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/v1/streams/%s/records", i.addr, stream), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text := make([]byte, 4<<10)
	n, _ := response.Body.Read(text)
	return response.StatusCode, string(text[:n])
}

// TestRecordsLargerThanAFetch is about promises 1 and 10: a record that is larger
// than a fetch must be delivered, one that is larger than the limit for subscribers
// must be reported, and what follows must arrive.
func TestRecordsLargerThanAFetch(t *testing.T) {
	t.Parallel()
	ctx := within(t, 60*time.Second)
	if err := servers(t).CreateTopic(ctx, "large", 1, map[string]string{"max.message.bytes": "20000000"}); err != nil {
		t.Fatal(err)
	}
	i := sluice(t, setup{
		kafka:  fmt.Sprintf("kafka: {brokers: [%s], fetch: {partition_bytes: 16KiB, bytes: 64KiB}}", strings.Join(servers(t).Bootstrap(), ", ")),
		limits: "record_bytes: 1MiB",
		more:   "  large: {topic: large, content: json, log_bytes: 1MiB}\n",
	})
	live := []*witness{newWitness(t, "large-live", clients.OverWS, "large", 1, nil, i)}
	var running crowd
	for _, w := range live {
		running.add(ctx, t, w)
	}
	pause(ctx, 300*time.Millisecond)
	client := kafkaClient(t, kgo.DefaultProduceTopic("large"), kgo.ProducerBatchMaxBytes(19<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	var want []step
	for n, size := range []int{100, 20 << 10, 300 << 10, 1000 << 10, 2 << 20, 10 << 20, 100} {
		value := fmt.Sprintf(`{"n":%d,"x":%q}`, n, strings.Repeat("x", size))
		if err := client.ProduceSync(ctx, &kgo.Record{Key: fmt.Append(nil, n), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if size > 1<<20 {
			want = append(want, step{gap: "too_large", from: int64(n), to: int64(n + 1)})
		} else {
			want = append(want, step{from: int64(n), data: value})
		}
	}
	writeEnds(ctx, t, "large", 1)
	want = append(want, step{from: int64(len(want))})
	running.running.Wait()
	saw(t, live, func(int) []step { return want })
	running.stayed(t)
	// Late subscriptions as well, for which it is read again.
	late := newWitness(t, "large-late", clients.OverWS, "large", 1, nil, i)
	follows(ctx, t, []*witness{late}, func(int) []step { return want })
}

// sampled checks that a metric has a value.
func sampled(ctx context.Context, i *instance, line string) error {
	metrics, err := i.ask(ctx, "/metrics")
	if err != nil {
		return err
	}
	if !strings.Contains(metrics, "\n"+line+"\n") {
		name, _, _ := strings.Cut(line, " ")
		_, rest, _ := strings.Cut(metrics, "\n"+name)
		value, _, _ := strings.Cut(rest, "\n")
		return fmt.Errorf("%s is%s", name, value)
	}
	return nil
}

// TestRetentionPassesALivePosition is about promise 1: a client that reads nothing
// for a while, and whose next records Kafka then no longer keeps, must be told which
// it misses, and receive what follows.
func TestRetentionPassesALivePosition(t *testing.T) {
	t.Parallel()
	ctx := within(t, 60*time.Second)
	topic(t, "passed", 1)
	i := sluice(t, setup{more: "  passed: {topic: passed, content: json, log_bytes: 64KiB}\n", limits: "write_progress: 1m, late_memory: 1MiB"})
	bearer := token(t, "passed", "reader")
	stuck := dialPlain(ctx, t, i.addr, true)
	stuck.asks(t, http.StatusOK, "/v1/streams/passed/events?"+url.Values{"from": {"earliest"}}.Encode(), bearer, "Accept: application/x-ndjson\r\n")
	const each, size = 2_000, 5_000 // far more than sockets buffer
	fillWith(ctx, t, "passed", 1, each, size)
	eventually(ctx, t, "all is read, of which the log keeps little", func() error {
		return sampled(ctx, i, `sluice_stream_records_read_total{stream="passed"} 2000`)
	})
	const kept = 1_900
	if err := servers(t).DeleteRecords(ctx, "passed", 0, kept); err != nil {
		t.Fatal(err)
	}
	pause(ctx, 500*time.Millisecond+time.Duration(rand.IntN(500))*time.Millisecond)
	next, gaps := int64(0), 0
	for next < each {
		line, err := stuck.lines.ReadString('\n')
		for err == nil && !strings.HasSuffix(line, "}\n") {
			var more string
			more, err = stuck.lines.ReadString('\n')
			line += more
		}
		if err != nil {
			t.Fatalf("at offset %d: %v", next, err)
		}
		at := strings.IndexByte(line, '{')
		if at < 0 {
			continue // a chunk's size
		}
		m, ok := clients.Parse([]byte(line[at:]))
		switch {
		case !ok:
		case m.Kind == "event" && m.Offset == next:
			next++
		case m.Kind == "event":
			t.Fatalf("offset %d follows %d, and no gap was told", m.Offset, next-1)
		case m.Kind == "gap":
			if m.Reason != "retention" || m.From != next || m.To <= next || m.To > kept {
				t.Fatalf("at offset %d it is told %s", next, line)
			}
			gaps++
			next = m.To
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps were told, want one: retention did not pass it, or it is told more than once", gaps)
	}
}
