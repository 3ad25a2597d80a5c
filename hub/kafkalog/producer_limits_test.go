package kafkalog_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

func TestProducerBoundsMemory(t *testing.T) {
	t.Parallel()
	k := newProduceKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *kafkalog.ProducerConfig) { c.MemoryBytes = 10_000 })
	k.fail(faultSwallow)
	held := produceStart(t.Context(), p, "t", produceText(strings.Repeat("x", 8000)))
	// It is refused while the first waits: that would give the memory back.
	if s := produceWait(t, p, "t", produceText(strings.Repeat("x", 4000)))[0]; !errors.Is(s.Err, upstream.ErrPublishOverloaded) {
		t.Errorf("error %v, want overloaded", s.Err)
	}
	if s := produceWait(t, p, "t", produceText(strings.Repeat("x", 20_000)))[0]; !errors.Is(s.Err, upstream.ErrRecordTooLarge) {
		t.Errorf("error %v, want too large", s.Err)
	}
	if s := produceResults(t, held)[0]; s.Err != nil {
		t.Errorf("the first: %v", s.Err)
	}
	if s := produceWait(t, p, "t", produceText(strings.Repeat("x", 4000)))[0]; s.Err != nil {
		t.Errorf("with the memory given back: %v", s.Err)
	}
}

// produceDeadAddress is an address where nobody listens.
func produceDeadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestProducerFailsFastWithoutKafka(t *testing.T) {
	t.Parallel()
	address := produceDeadAddress(t)
	p := newProducer(t, []string{address}, func(c *kafkalog.ProducerConfig) { c.FailAfter = 200 * time.Millisecond })
	if s := produceWait(t, p, "t", produceText("first"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Fatalf("error %v, want unavailable", s.Err)
	}
	if s := produceWait(t, p, "t", produceText("second"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Fatalf("error %v, want unavailable", s.Err)
	}
}

func TestProducerSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	_, text, _ := net.SplitHostPort(produceDeadAddress(t))
	port, _ := strconv.Atoi(text)
	dir := t.TempDir()
	start := func() *kfake.Cluster {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SeedTopics(1, "t"))
		if err != nil {
			t.Fatal(err)
		}
		return cluster
	}
	k := start()
	p := newProducer(t, k.ListenAddrs(), func(c *kafkalog.ProducerConfig) { c.FailAfter = 200 * time.Millisecond })
	// On a busy machine the first may take longer than FailAfter.
	for produceWait(t, p, "t", produceText("before"))[0].Err != nil {
		if t.Context().Err() != nil {
			t.Fatal("nothing is stored")
		}
		time.Sleep(20 * time.Millisecond)
	}
	k.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	first := produceResults(t, produceStart(ctx, p, "t", produceText("during")))[0]
	if first.Err == nil || errors.Is(first.Err, upstream.ErrPublishRejected) {
		t.Fatalf("during the outage: %+v", first)
	}
	if s := produceWait(t, p, "t", produceText("refused"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Errorf("during the outage: %v, want unavailable", s.Err)
	}
	k = start()
	defer k.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		s := produceWait(t, p, "t", produceText("after"))[0]
		if s.Err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still: %v", s.Err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	log := produceLog(t, k, "t")
	if string(log[0].Value) != "before" || string(log[len(log)-1].Value) != "after" || len(log) > 3 {
		t.Errorf("%d records in the log", len(log))
	}
	for _, r := range log {
		if string(r.Value) == "refused" || (string(r.Value) == "during" && errors.Is(first.Err, upstream.ErrPublishUnavailable)) {
			t.Errorf("%q was said not to be stored", r.Value)
		}
	}
}

func TestProducerDrains(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults      []produceFault
		first, rest error // nil for stored
	}{
		"in time":     {[]produceFault{faultLoseAnswer}, nil, nil},
		"not in time": {[]produceFault{faultSwallow, faultSwallow, faultSwallow}, upstream.ErrPublishUnknown, upstream.ErrPublishUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newProduceKafka(t, kfake.SeedTopics(1, "t"))
			cluster, err := kafkalog.NewCluster(kafkalog.Config{Brokers: k.ListenAddrs(), DialTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			p, err := kafkalog.NewProducer(cluster, kafkalog.ProducerConfig{
				Log: slog.New(slog.DiscardHandler), MemoryBytes: 1 << 20, BatchBytes: 1 << 20, Requests: 1,
				Timeout: time.Minute, RequestTimeout: time.Minute, FailAfter: time.Minute, DrainTimeout: 500 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx) }()
			if s := produceWait(t, p, "t", produceText("warm"))[0]; s.Err != nil {
				t.Fatal(s.Err)
			}
			k.fail(test.faults...)
			first := produceStart(t.Context(), p, "t", produceText("first"))
			k.awaitHit(t, 0)
			rest := produceStart(t.Context(), p, "t", produceText("rest"))
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("Run does not end")
			}
			if s := produceResults(t, first)[0]; !errors.Is(s.Err, test.first) {
				t.Errorf("first: %v, want %v", s.Err, test.first)
			}
			if s := produceResults(t, rest)[0]; !errors.Is(s.Err, test.rest) {
				t.Errorf("rest: %v, want %v", s.Err, test.rest)
			}
			if s := produceWait(t, p, "t", produceText("late"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
				t.Errorf("after Run: %v, want unavailable", s.Err)
			}
		})
	}
}

func TestProducerConfig(t *testing.T) {
	t.Parallel()
	cluster, err := kafkalog.NewCluster(kafkalog.Config{Brokers: []string{"127.0.0.1:1"}, DialTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	good := kafkalog.ProducerConfig{
		Log: slog.New(slog.DiscardHandler), MemoryBytes: 1, BatchBytes: 1, Requests: 1,
		Timeout: 1, RequestTimeout: 1, FailAfter: 1, DrainTimeout: 1,
	}
	if _, err := kafkalog.NewProducer(cluster, good); err != nil {
		t.Error(err)
	}
	if _, err := kafkalog.NewProducer(nil, good); err == nil {
		t.Error("taken without a cluster")
	}
	for name, change := range map[string]func(*kafkalog.ProducerConfig){
		"logger":          func(c *kafkalog.ProducerConfig) { c.Log = nil },
		"memory":          func(c *kafkalog.ProducerConfig) { c.MemoryBytes = 0 },
		"batch":           func(c *kafkalog.ProducerConfig) { c.BatchBytes = 0 },
		"requests":        func(c *kafkalog.ProducerConfig) { c.Requests = 0 },
		"timeout":         func(c *kafkalog.ProducerConfig) { c.Timeout = 0 },
		"request timeout": func(c *kafkalog.ProducerConfig) { c.RequestTimeout = 0 },
		"fail after":      func(c *kafkalog.ProducerConfig) { c.FailAfter = 0 },
		"drain timeout":   func(c *kafkalog.ProducerConfig) { c.DrainTimeout = 0 },
		"codec":           func(c *kafkalog.ProducerConfig) { c.Compression = 9 },
	} {
		bad := good
		change(&bad)
		if _, err := kafkalog.NewProducer(cluster, bad); err == nil {
			t.Errorf("taken without a valid %s", name)
		}
	}
}
