package producer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
	"sluice/hub/kafkalog/producer"
	"sluice/hub/share"
	"sluice/hub/upstream"
)

func TestProducerBoundsMemory(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.MemoryBytes = 10_000 })
	k.fail(faultSwallow)
	held := begin(t.Context(), p, "t", message(strings.Repeat("x", 8000)))
	// It is refused while the first one waits, whose end would free the memory.
	if s := produce(t, p, "t", message(strings.Repeat("x", 4000)))[0]; !errors.Is(s.Err, upstream.ErrPublishOverloaded) {
		t.Errorf("error %v, want overloaded", s.Err)
	}
	if s := produce(t, p, "t", message(strings.Repeat("x", 20_000)))[0]; !errors.Is(s.Err, upstream.ErrRecordTooLarge) {
		t.Errorf("error %v, want too large", s.Err)
	}
	if s := await(t, held)[0]; s.Err != nil {
		t.Errorf("the first: %v", s.Err)
	}
	if s := produce(t, p, "t", message(strings.Repeat("x", 4000)))[0]; s.Err != nil {
		t.Errorf("with the memory given back: %v", s.Err)
	}
}

// TestTenantsShareTheMemory: a tenant whose publishes are not answered leaves memory to others,
// however many principals it has.
func TestTenantsShareTheMemory(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t", "u"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.MemoryBytes = 40_000 })
	k.fail(faultSwallow)
	of := func(tenant string, n int) upstream.Message {
		m := message(strings.Repeat("x", 800))
		m.By = share.Client{Tenant: tenant, Principal: fmt.Sprint(n)}
		return m
	}
	var all []<-chan []upstream.Stored
	for n := range 60 {
		all = append(all, begin(t.Context(), p, "t", of("greedy", n)))
	}
	if bytes := p.Bytes(); bytes < 25_000 || bytes > 31_000 {
		t.Errorf("a tenant has %d of 40,000", bytes)
	}
	if s := produce(t, p, "u", of("modest", 0))[0]; errors.Is(s.Err, upstream.ErrPublishOverloaded) {
		t.Errorf("another tenant is refused: %v", s.Err)
	}
	for _, one := range all {
		if s := await(t, one)[0]; s.Err != nil && !errors.Is(s.Err, upstream.ErrPublishOverloaded) {
			t.Errorf("one of the tenant: %v", s.Err)
		}
	}
	if bytes := p.Bytes(); bytes != 0 {
		t.Errorf("%d bytes are left", bytes)
	}
}

// deadAddress returns an address on which no process listens, with a port below those that outgoing
// connections are given.
func deadAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(22000+rand.IntN(10_000)))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestProducerFailsFastWithoutKafka(t *testing.T) {
	t.Parallel()
	address := deadAddress(t)
	p := newProducer(t, []string{address}, func(c *producer.Config) { c.FailAfter = 200 * time.Millisecond })
	if s := produce(t, p, "t", message("first"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Fatalf("error %v, want unavailable", s.Err)
	}
	if s := produce(t, p, "t", message("second"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Fatalf("error %v, want unavailable", s.Err)
	}
}

func TestProducerSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	_, text, _ := net.SplitHostPort(deadAddress(t))
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
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.FailAfter = 200 * time.Millisecond })
	unknown := 0 // each may be stored
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		// On a busy machine the first record may take longer than FailAfter.
		s := produce(t, p, "t", message("before"))[0]
		if s.Err == nil {
			break
		}
		if errors.Is(s.Err, upstream.ErrPublishUnknown) {
			unknown++
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is stored: %v", s.Err)
		}
	}
	k.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	first := await(t, begin(ctx, p, "t", message("during")))[0]
	if first.Err == nil || errors.Is(first.Err, upstream.ErrPublishRejected) {
		t.Fatalf("during the outage: %+v", first)
	}
	if s := produce(t, p, "t", message("refused"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
		t.Errorf("during the outage: %v, want unavailable", s.Err)
	}
	k = start()
	defer k.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		s := produce(t, p, "t", message("after"))[0]
		if s.Err == nil {
			break
		}
		if errors.Is(s.Err, upstream.ErrPublishUnknown) {
			unknown++
		}
		if time.Now().After(deadline) {
			t.Fatalf("still: %v", s.Err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	log := logOf(t, k, "t")
	if string(log[0].Value) != "before" || string(log[len(log)-1].Value) != "after" || len(log) > 3+unknown {
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
		faults      []networkFault
		drain       time.Duration
		first, rest error // nil for stored
	}{
		"in time":     {[]networkFault{faultLoseAnswer}, time.Minute, nil, nil},
		"not in time": {[]networkFault{faultSwallow, faultSwallow, faultSwallow}, 500 * time.Millisecond, upstream.ErrPublishUnknown, upstream.ErrPublishUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
			cluster, err := kafkalog.NewCluster(kafkalog.Config{Brokers: k.ListenAddrs(), DialTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			p, err := producer.New(cluster, producer.Config{
				Log: slog.New(slog.DiscardHandler), MemoryBytes: 1 << 20, BatchBytes: 1 << 20, Requests: 1,
				Timeout: time.Minute, RequestTimeout: time.Minute, FailAfter: time.Minute, DrainTimeout: test.drain,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx) }()
			if s := produce(t, p, "t", message("warm"))[0]; s.Err != nil {
				t.Fatal(s.Err)
			}
			k.fail(test.faults...)
			first := begin(t.Context(), p, "t", message("first"))
			k.awaitHit(t, 0)
			rest := begin(t.Context(), p, "t", message("rest"))
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("Run does not end")
			}
			if s := await(t, first)[0]; !errors.Is(s.Err, test.first) {
				t.Errorf("first: %v, want %v", s.Err, test.first)
			}
			if s := await(t, rest)[0]; !errors.Is(s.Err, test.rest) {
				t.Errorf("rest: %v, want %v", s.Err, test.rest)
			}
			if s := produce(t, p, "t", message("late"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
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
	good := producer.Config{
		Log: slog.New(slog.DiscardHandler), MemoryBytes: 1, BatchBytes: 1, Requests: 1,
		Timeout: 1, RequestTimeout: 1, FailAfter: 1, DrainTimeout: 1,
	}
	if _, err := producer.New(cluster, good); err != nil {
		t.Error(err)
	}
	if _, err := producer.New(nil, good); err == nil {
		t.Error("taken without a cluster")
	}
	for name, change := range map[string]func(*producer.Config){
		"logger":          func(c *producer.Config) { c.Log = nil },
		"memory":          func(c *producer.Config) { c.MemoryBytes = 0 },
		"batch":           func(c *producer.Config) { c.BatchBytes = 0 },
		"requests":        func(c *producer.Config) { c.Requests = 0 },
		"timeout":         func(c *producer.Config) { c.Timeout = 0 },
		"request timeout": func(c *producer.Config) { c.RequestTimeout = 0 },
		"fail after":      func(c *producer.Config) { c.FailAfter = 0 },
		"drain timeout":   func(c *producer.Config) { c.DrainTimeout = 0 },
		"codec":           func(c *producer.Config) { c.Compression = 9 },
	} {
		bad := good
		change(&bad)
		if _, err := producer.New(cluster, bad); err == nil {
			t.Errorf("taken without a valid %s", name)
		}
	}
}
