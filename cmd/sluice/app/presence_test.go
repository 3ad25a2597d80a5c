package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
	"sluice/hub/kafkalog"
)

// TestMissingTopicsInReadiness: if one topic of several is missing, its stream is
// reported as degraded; if all are missing, the instance is not ready.
func TestMissingTopicsInReadiness(t *testing.T) {
	t.Parallel()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	a := newTestApp(t, servers.Brokers[0], servers.RedisAddr)
	defer func() {
		a.clusters[config.DefaultCluster].conn.Close()
		_ = a.cursors.store.Close()
	}()
	p := a.front.presences[config.DefaultCluster]
	p.every = 0 // each check asks for all topics
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	if err := p.check(ctx); err == nil || !strings.Contains(err.Error(), "left.alone, made.at.start") {
		t.Errorf("with none of its topics: %v", err)
	}
	if err := kafkalog.EnsureTopic(ctx, a.clusters[config.DefaultCluster].conn, "made.at.start", 1); err != nil {
		t.Fatal(err)
	}
	if err := p.check(ctx); err != nil {
		t.Errorf("with one of its topics: %v", err)
	}
	for len(p.degraded()) == 0 {
		if err := p.check(ctx); err != nil {
			t.Fatalf("with one of its topics: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := p.degraded(); len(got) != 1 || !strings.Contains(got["left"].Error(), `topic "left.alone" does not exist in kafka cluster default`) {
		t.Errorf("degraded is %v", got)
	}
	if info, err := a.front.hub.Stream("", "left"); err != nil || !info.Missing {
		t.Errorf("the hub has %+v, %v", info, err)
	}
	if err := kafkalog.EnsureTopic(ctx, a.clusters[config.DefaultCluster].conn, "left.alone", 1); err != nil {
		t.Fatal(err)
	}
	if err := p.check(ctx); err != nil || len(p.degraded()) != 0 {
		t.Errorf("with all of its topics: %v, %v", err, p.degraded())
	}
}

// TestTopicsThatAreCreatedAreSeenSoon: an instance whose topics did not exist is ready soon after they do,
// however rarely the checks of all topics run otherwise.
func TestTopicsThatAreCreatedAreSeenSoon(t *testing.T) {
	t.Parallel()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	a := newTestApp(t, servers.Brokers[0], servers.RedisAddr)
	defer func() {
		a.clusters[config.DefaultCluster].conn.Close()
		_ = a.cursors.store.Close()
	}()
	p := a.front.presences[config.DefaultCluster]
	p.every = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		p.mu.Lock()
		asked := p.asked
		p.mu.Unlock()
		if err := p.check(ctx); err == nil {
			t.Fatal("there are topics")
		} else if !asked.IsZero() {
			break // it is certain
		}
	}
	if err := kafkalog.EnsureTopic(ctx, a.clusters[config.DefaultCluster].conn, "made.at.start", 1); err != nil {
		t.Fatal(err)
	}
	for p.check(ctx) != nil {
		if time.Sleep(50 * time.Millisecond); ctx.Err() != nil {
			t.Fatal("it was not asked for the topics again")
		}
	}
}

// TestConnectBeforeTheFirstStart: a configuration whose topics the server creates when it starts
// has no fault because they are not there yet. A topic that it does not create is one.
func TestConnectBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	a := newTestApp(t, servers.Brokers[0], servers.RedisAddr)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	findings, err := a.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]string{}
	for _, f := range findings {
		if f.Err != nil {
			failed[f.Name] = f.Err.Error()
		}
	}
	if len(failed) != 1 || !strings.Contains(failed["stream left"], "topic \"left.alone\" does not exist in kafka cluster default: correct the name, create the topic, or set partitions") {
		t.Errorf("failed: %v", failed)
	}
}
