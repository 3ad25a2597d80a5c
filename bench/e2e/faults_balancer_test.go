package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// TestThousandsLoseTheirBalancerAtOnce is about promises 1, 5 and 13: all clients
// come back at the same time, none may be refused, and each must resume where it
// was.
func TestThousandsLoseTheirBalancerAtOnce(t *testing.T) {
	crowdOf := 1_500
	if *long {
		crowdOf = 3_900 // the capacity of the balancer
	}
	topic(t, "balanced", 2)
	config := setup{streams: map[string]string{"balanced": "balanced"}, limits: "sessions_per_principal: 0"}
	both := []*instance{sluice(t, config), sluice(t, config)}
	ctx := within(t, 2*time.Minute)
	var backends []stack.Backend
	for _, i := range both {
		backends = append(backends, stack.Backend{Addr: i.addr, CheckAddr: i.admin, CheckPath: "/readyz"})
	}
	balancer, err := stack.NewBalancer(ctx, t.TempDir(), backends...)
	stack.Check(t, err)
	if err := balancer.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = balancer.Kill() })
	flow := startFlow(ctx, t, "balanced", 20)
	before := &instance{addr: balancer.Addr}
	var all crowd
	for n := range crowdOf {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[n%2]
		w := newWitness(t, fmt.Sprintf("balanced-%d", n), over, "balanced", 2, flow, before)
		w.By, w.Rough = []clients.Resume{clients.ByCursor, clients.BySeen}[n/2%2], true
		all.add(ctx, t, w)
	}
	all.await(ctx, t, 20)

	if err := balancer.Kill(); err != nil {
		t.Fatal(err)
	}
	pause(ctx, time.Second)
	if err := balancer.Start(ctx); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	var had []int
	for _, w := range all.all {
		had = append(had, w.received())
	}
	for n, w := range all.all {
		eventually(ctx, t, w.Name+" goes on", func() error {
			if w.received() <= had[n] {
				return fmt.Errorf("nothing has come since")
			}
			return nil
		})
	}
	t.Logf("all %d went on %v after the balancer was back", crowdOf, time.Since(back))
	flow.end()
	writeEnds(ctx, t, "balanced", 2)
	log := readLog(ctx, t, "balanced", 2).Log
	all.running.Wait()
	report := judge(t, log, all.subscribers())
	if report.Reconnects < crowdOf {
		t.Errorf("%d of %d came back: the loss did not strike all", report.Reconnects, crowdOf)
	}
	for _, w := range all.all {
		for _, code := range []string{"rate_limited", "overloaded", "too_many_sessions", "forbidden"} {
			if w.Codes[code] > 0 {
				t.Errorf("%s was told %s", w.Name, code)
			}
		}
	}
}
