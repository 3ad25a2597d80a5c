package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"sluice/cmd/sluice/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func configured(dir string) embedded.Config {
	return embedded.Config{
		DataDir:        dir,
		PartitionBytes: 8 << 20,
		Rates:          embedded.DefaultRates(),
		History:        5 * time.Minute,
		Seed:           7,
		Logger:         slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// run starts the servers and returns when the demo streams are live. The servers
// stop at the end of the test, or when stop is called.
func run(t *testing.T, config embedded.Config) (e *embedded.Embedded, stop func()) {
	t.Helper()
	e, stop = begin(t, config)
	select {
	case <-e.Ready():
	case <-time.After(5 * time.Minute):
		t.Fatal("not ready")
	}
	return e, stop
}

// begin is run without waiting for the demo streams. They are live once their
// writers have caught up with the clock, which a slow machine may never reach at a
// high rate.
func begin(t *testing.T, config embedded.Config) (e *embedded.Embedded, stop func()) {
	t.Helper()
	e, err := embedded.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

// read reads a topic from its beginning to its current end.
func read(t *testing.T, e *embedded.Embedded, topic string) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(e.Brokers...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var records []*kgo.Record
	ends := map[int32]int64{}
	for !caughtUp(ctx, t, client, topic, ends) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			records = append(records, r)
			ends[r.Partition] = r.Offset + 1
		}
	}
	return records
}

func caughtUp(ctx context.Context, t *testing.T, client *kgo.Client, topic string, ends map[int32]int64) bool {
	t.Helper()
	ask := kmsg.NewPtrListOffsetsRequest()
	ask.ReplicaID = -1
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	for _, known := range embedded.Topics() {
		for p := range known.Partitions {
			if known.Name == topic {
				partition := kmsg.NewListOffsetsRequestTopicPartition()
				partition.Partition, partition.Timestamp = p, -1
				asked.Partitions = append(asked.Partitions, partition)
			}
		}
	}
	ask.Topics = append(ask.Topics, asked)
	answer, err := ask.RequestWith(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.Topics[0].Partitions {
		// Records written since the last poll may be in flight.
		if p.Offset-ends[p.Partition] > 30 {
			return false
		}
	}
	return true
}

func TestStreamsAreAliveAtOnceAndHaveAPast(t *testing.T) {
	t.Parallel()
	config := configured("")
	begun := time.Now()
	e, _ := run(t, config)
	t.Logf("live after %v", time.Since(begun))
	for _, topic := range embedded.Topics() {
		rate := config.Rates[topic.Name]
		records := read(t, e, topic.Name)
		if rate == 0 {
			if len(records) != 0 {
				t.Errorf("%s: %d records nobody wrote", topic.Name, len(records))
			}
			continue
		}
		oldest, partitions := time.Now(), map[int32]bool{}
		for _, r := range records {
			if r.Timestamp.Before(oldest) {
				oldest = r.Timestamp
			}
			partitions[r.Partition] = true
		}
		if past := begun.Sub(oldest); past < config.History-30*time.Second || past > config.History+2*time.Minute {
			t.Errorf("%s begins %v ago", topic.Name, past)
		}
		// How much of a compacted topic is left depends on the time of the last
		// compaction.
		want := rate * time.Since(oldest).Seconds()
		if n := float64(len(records)); n < 0.6*want && !topic.Compacted || n > 1.5*want {
			t.Errorf("%s: %d records, want about %v", topic.Name, len(records), want)
		}
		if len(partitions) != int(topic.Partitions) {
			t.Errorf("%s: records in %d of %d partitions", topic.Name, len(partitions), topic.Partitions)
		}
	}
	before := len(read(t, e, "market.ticks"))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if len(read(t, e, "market.ticks")) > before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("market.ticks stands still")
		}
	}
}

// TestPartitionsOfAKeptTopic: a topic that was kept has the partitions that it had, and the log says
// that others are asked for.
func TestPartitionsOfAKeptTopic(t *testing.T) {
	t.Parallel()
	config := configured(t.TempDir())
	var logged strings.Builder
	config.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	for _, partitions := range []int32{3, 3, 5} {
		if strings.Contains(logged.String(), "orders") {
			t.Errorf("logged before anything is wrong: %s", logged.String())
		}
		config.Topics = []embedded.Topic{{Name: "orders", Partitions: partitions}}
		e, err := embedded.Start(config)
		if err != nil {
			t.Fatal(err)
		}
		e.Close()
	}
	if said := logged.String(); !strings.Contains(said, "topic=orders partitions=3 asked_for=5") {
		t.Errorf("logged: %s", said)
	}
}

func TestDataOutlastsARestartWithoutASecondPast(t *testing.T) {
	t.Parallel()
	config := configured(t.TempDir())
	config.Rates = map[string]float64{"market.ticks": 100}
	config.History = 30 * time.Second
	ctx := context.Background()

	e, stop := run(t, config)
	if _, err := embedded.Start(config); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second one in the same folder: %v", err)
	}
	keys := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
	keys.HSet(ctx, "hash", "field", "\x00\xffvalue")
	keys.Expire(ctx, "hash", time.Hour)
	keys.Set(ctx, "text", "kept", 0)
	keys.Set(ctx, "short", "gone", time.Minute)
	keys.SAdd(ctx, "set", "a", "b")
	keys.ZAdd(ctx, "sorted", redis.Z{Score: 2.5, Member: "m"})
	_ = keys.Close()
	id := topicID(t, e, "market.ticks")
	first := len(read(t, e, "market.ticks"))
	stop()
	const away = 90 * time.Second // longer than short lives
	if err := embedded.AgeKeys(config, away); err != nil {
		t.Fatal(err)
	}

	e, _ = run(t, config)
	if again := topicID(t, e, "market.ticks"); again != id {
		t.Errorf("topic id %x, was %x", again, id)
	}
	records := read(t, e, "market.ticks")
	if len(records) < first {
		t.Errorf("%d records, there were %d", len(records), first)
	}
	last := map[string]int64{}
	for _, r := range records {
		var tick struct{ Seq int64 }
		if err := json.Unmarshal(r.Value, &tick); err != nil {
			t.Fatal(err)
		}
		key := string(r.Key)
		if had, ok := last[key]; ok && tick.Seq != had+1 {
			t.Fatalf("%s: %d after %d", key, tick.Seq, had)
		}
		last[key] = tick.Seq
	}

	keys = redis.NewClient(&redis.Options{Addr: e.RedisAddr})
	defer func() { _ = keys.Close() }()
	if got := keys.HGet(ctx, "hash", "field").Val(); got != "\x00\xffvalue" {
		t.Errorf("hash holds %q", got)
	}
	if left := keys.TTL(ctx, "hash").Val(); left > time.Hour-away || left < time.Hour-away-2*time.Minute {
		t.Errorf("hash has %v to live", left)
	}
	if got := keys.Get(ctx, "text").Val(); got != "kept" {
		t.Errorf("text is %q", got)
	}
	if n := keys.Exists(ctx, "short").Val(); n != 0 {
		t.Error("a key that ran out is back")
	}
	if got := keys.SCard(ctx, "set").Val(); got != 2 {
		t.Errorf("set has %d members", got)
	}
	if got := keys.ZScore(ctx, "sorted", "m").Val(); got != 2.5 {
		t.Errorf("score %v", got)
	}
}

func topicID(t *testing.T, e *embedded.Embedded, topic string) [16]byte {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(e.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	ask.Topics = append(ask.Topics, asked)
	answer, err := ask.RequestWith(context.Background(), client)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Topics[0].TopicID
}

func TestRedisKeysRunOut(t *testing.T) {
	t.Parallel()
	config := configured("")
	config.Rates = nil
	e, _ := run(t, config)
	keys := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
	defer func() { _ = keys.Close() }()
	// In one transaction: after it, the key may have run out.
	stored := keys.TxPipeline()
	stored.Set(context.Background(), "short", "x", time.Second)
	there := stored.Exists(context.Background(), "short")
	if _, err := stored.Exec(context.Background()); err != nil || there.Val() != 1 {
		t.Fatalf("not stored: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); keys.Exists(context.Background(), "short").Val() != 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still there")
		}
	}
}

// However much is written, the memory must stay bounded, by Kafka's count and in the
// process.
func TestMemoryStaysFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("writes for several seconds")
	}
	config := configured("")
	config.PartitionBytes = 64 << 10
	config.History = 0
	config.Rates = map[string]float64{"wiki.edits": 5_000}
	e, _ := begin(t, config)

	// Memory of records in flight varies; the minimum is what is kept.
	settle := func() uint64 {
		least := uint64(math.MaxUint64)
		for range 10 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			least = min(least, m.HeapAlloc)
			time.Sleep(20 * time.Millisecond)
		}
		return least
	}
	const partitions, compressed = 3, 100
	// Up to half as much again may be written before the count is taken.
	bound := partitions * config.PartitionBytes * 3 / 2
	until := func(what string, so func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d records written, %d bytes kept, the bound is %d", what, embedded.Written(e, "wiki.edits"), embedded.Kept(e, "wiki.edits"), bound)
			}
		}
	}
	// fill waits until several times the bound was written, and for the retention
	// that Run applies every two seconds.
	fill := func() {
		t.Helper()
		first := embedded.Written(e, "wiki.edits")
		until("too little is written", func() bool { return (embedded.Written(e, "wiki.edits")-first)*compressed > 3*bound })
		until("too much is kept", func() bool { return embedded.Kept(e, "wiki.edits") <= bound })
	}
	fill()
	before, wrote := settle(), embedded.Written(e, "wiki.edits")
	fill()
	after, wrote := settle(), embedded.Written(e, "wiki.edits")-wrote
	t.Logf("%d records written; heap %d to %d KiB", wrote, before>>10, after>>10)
	if after > before+4<<20 {
		t.Errorf("the heap grew from %d to %d", before, after)
	}
}

func TestCompactionKeepsTheLastOfAKey(t *testing.T) {
	t.Parallel()
	config := configured("")
	config.Rates = map[string]float64{"shop.orders": 40}
	e, _ := run(t, config)
	before := len(read(t, e, "shop.orders"))
	embedded.Compact(e)
	keys := map[string]int{}
	records := read(t, e, "shop.orders")
	for _, r := range records {
		keys[string(r.Key)]++
	}
	// The last batch of a partition is not compacted yet.
	if left, was := len(records)-len(keys), before-len(keys); left < 0 || left > was/2 || len(keys) == 0 {
		t.Fatalf("%d records of %d are left, of %d keys", len(records), before, len(keys))
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*embedded.Config){
		"no logger":        func(c *embedded.Config) { c.Logger = nil },
		"tiny partitions":  func(c *embedded.Config) { c.PartitionBytes = 1 },
		"negative history": func(c *embedded.Config) { c.History = -1 },
		"negative rate":    func(c *embedded.Config) { c.Rates = map[string]float64{"wiki.edits": -1} },
		"unknown stream":   func(c *embedded.Config) { c.Rates = map[string]float64{"wiki.edit": 1} },
		"chat by itself":   func(c *embedded.Config) { c.Rates = map[string]float64{"chat.lobby": 1} },
	} {
		config := configured("")
		spoil(&config)
		if e, err := embedded.Start(config); err == nil {
			e.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	config := configured("")
	config.Rates = nil
	e, _ := run(t, config)
	_, port, _ := strings.Cut(e.RedisAddr, ":")
	if err := json.Unmarshal([]byte(port), &config.RedisPort); err != nil {
		t.Fatal(err)
	}
	second, err := embedded.Start(config)
	if err == nil {
		second.Close()
		t.Fatal("no error")
	}
	if errors.Unwrap(err) == nil {
		t.Fatalf("%v hides its cause", err)
	}
}
