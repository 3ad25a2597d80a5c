package ingest_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/schema"
)

// slowSchema takes a time for each value.
type slowSchema struct {
	took func(value []byte) time.Duration
}

func (s slowSchema) Validate(value []byte, _ schema.Limits) schema.Result {
	took := s.took(value)
	time.Sleep(took)
	return schema.Result{Steps: int(took / (100 * time.Nanosecond))}
}

// inMicroseconds takes as long as the value says.
func inMicroseconds(value []byte) time.Duration {
	n, _ := strconv.Atoi(string(value))
	return time.Duration(n) * time.Microsecond
}

// publishes are those of a test.
type publishes struct {
	pipeline *ingest.Pipeline
	turns    *ingest.Turns
	running  sync.WaitGroup
}

func newPublishes(turns int) *publishes {
	t := ingest.NewTurns(turns)
	return &publishes{pipeline: ingest.New(&memoryStore{}, nil, []ingest.Step{ingest.Conforms{Schema: slowSchema{inMicroseconds}, Turns: t}}), turns: t}
}

// publish publishes values that take some microseconds each, and returns how long that took.
func (p *publishes) publish(ctx context.Context, tenant, principal string, values, each int) time.Duration {
	messages := make([]ingest.Message, values)
	for i := range messages {
		messages[i] = ingest.Message{Value: []byte(strconv.Itoa(each)), JSON: true}
	}
	began := time.Now()
	done := make(chan struct{})
	p.pipeline.Publish(ctx, "orders", ingest.Publisher{Tenant: tenant, Principal: principal}, messages, func([]ingest.Verdict) { close(done) })
	<-done
	return time.Since(began)
}

// attack has principals publish the same again and again until the context ends.
func (p *publishes) attack(ctx context.Context, tenant string, principals, sessions, values, each int) {
	for i := range principals {
		for range sessions {
			p.running.Go(func() {
				for ctx.Err() == nil {
					p.publish(ctx, tenant, "attacker"+strconv.Itoa(i), values, each)
				}
			})
		}
	}
}

// counts are how often principals have published.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(principal string) {
	c.mu.Lock()
	c.of[principal]++
	c.mu.Unlock()
}

// TestChecksDelayNobodyElse: whatever others publish, and however many they are, values that take
// little time wait for a turn of little time.
func TestChecksDelayNobodyElse(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct{ principals, sessions, values, each int }{
		"batches of others":               {20, 1, 1000, 50},
		"batches of one":                  {1, 20, 1000, 50},
		"values that take long":           {20, 1, 1, 50_000},
		"values of one that take long":    {1, 20, 1, 50_000},
		"batches of values that are long": {20, 2, 50, 3_000},
	} {
		for _, turns := range []int{1, 2, 8} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				p := newPublishes(turns)
				p.attack(ctx, "", attack.principals, attack.sessions, attack.values, attack.each)
				time.Sleep(time.Second)
				for range 100 {
					if took := p.publish(ctx, "", "quick", 1, 20); took > 10*time.Millisecond {
						t.Errorf("%s, %d turns: waited for %s", name, turns, took)
						break
					}
					time.Sleep(7 * time.Millisecond)
				}
				cancel()
				p.running.Wait()
			})
		}
	}
}

// TestChecksAreShared: tenants have the same time, and so have the principals in each of them.
func TestChecksAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPublishes(1)
		p.attack(ctx, "a", 9, 3, 10, 5_000)
		counts := counts{of: map[string]int{}}
		for _, by := range []ingest.Publisher{{Tenant: "b", Principal: "b1"}, {Tenant: "c", Principal: "c1"}, {Tenant: "c", Principal: "c2"}} {
			for range 2 {
				p.running.Go(func() {
					for ctx.Err() == nil {
						p.publish(ctx, by.Tenant, by.Principal, 1, 6_000)
						counts.add(by.Principal)
					}
				})
			}
		}
		time.Sleep(18 * time.Second)
		cancel()
		p.running.Wait()
		for principal, want := range map[string]int{"b1": 1000, "c1": 500, "c2": 500} {
			if got := counts.of[principal]; got < want*9/10 || got > want*11/10 {
				t.Errorf("%s: published %d, want about %d", principal, got, want)
			}
		}
	})
}

// TestTurnsForget: nothing is left of publishes that gave up, or of those who have published.
func TestTurnsForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPublishes(1)
		p.attack(ctx, "", 3, 2, 10, 10_000)
		for i := range 2000 {
			short, give := context.WithTimeout(ctx, time.Millisecond)
			p.publish(short, "", "brief"+strconv.Itoa(i), 1, 10)
			give()
		}
		if _, principals := p.turns.Remembered(); principals > 500 {
			t.Errorf("%d principals are remembered", principals)
		}
		cancel()
		p.running.Wait()
		if n := p.turns.Held(); n != 0 {
			t.Errorf("%d turns are not given back", n)
		}
		if tenants, principals := p.turns.Remembered(); tenants > 1 || principals > 100 {
			t.Errorf("%d tenants, %d principals are remembered", tenants, principals)
		}
	})
}
