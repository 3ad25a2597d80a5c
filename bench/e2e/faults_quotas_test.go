package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/bench/stack"
)

// presser publishes to an instance more than its quota admits, and counts what is stored.
type presser struct {
	instance *instance
	bearer   string
	on       atomic.Bool

	stored, refused atomic.Int64
	mu              sync.Mutex
	slowest         time.Duration
	oddly           []string
}

const (
	pressedBatch = 5
	ceiling      = 300 // records a second
)

// press publishes while the presser is on, until the context ends.
func (p *presser) press(ctx context.Context) {
	body := `{"records":[` + strings.TrimSuffix(strings.Repeat(`{"data":1},`, pressedBatch), ",") + `]}`
	for ctx.Err() == nil {
		wait := 10 * time.Millisecond
		if p.on.Load() {
			if hint := p.post(ctx, body); hint > 0 {
				wait = min(hint, 100*time.Millisecond)
			}
		}
		pause(ctx, wait)
	}
}

// post publishes a batch and returns when to come back if it was refused.
func (p *presser) post(ctx context.Context, body string) time.Duration {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.instance.addr+"/v1/streams/pressed/records", strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+p.bearer)
	request.Header.Set("Content-Type", "application/json")
	begun := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	var answer struct {
		Code  string `json:"code"`
		After int64  `json:"retry_after_ms"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slowest = max(p.slowest, time.Since(begun))
	switch {
	case err == nil && response.StatusCode == http.StatusOK:
		p.stored.Add(pressedBatch)
	case err == nil && answer.Code == "rate_limited" && answer.After > 0 && response.Header.Get("Retry-After") != "":
		p.refused.Add(pressedBatch)
		return time.Duration(answer.After) * time.Millisecond
	case ctx.Err() == nil:
		p.oddly = append(p.oddly, fmt.Sprint(response.Status, answer, err))
	}
	return 0
}

// pressers are those of a test, one for each instance.
type pressers []*presser

// rates has some of them press, and returns how many records a second of each are stored
// after some time for the shares to follow.
func (all pressers) rates(ctx context.Context, on ...bool) (each []float64, total float64) {
	for i, p := range all {
		p.on.Store(on[i])
	}
	pause(ctx, 4500*time.Millisecond)
	before := make([]int64, len(all))
	for i, p := range all {
		before[i] = p.stored.Load()
	}
	begun := time.Now()
	pause(ctx, 4*time.Second)
	span := time.Since(begun).Seconds()
	for i, p := range all {
		each = append(each, float64(p.stored.Load()-before[i])/span)
		total += each[i]
	}
	return each, total
}

// TestInstancesShareAQuota: three instances together store what a shared quota admits,
// wherever the clients are. When Redis is killed each goes on with an equal part, and no
// publish waits for it; when it is back, shares follow the load again.
func TestInstancesShareAQuota(t *testing.T) {
	threeBrokers(t)
	t.Parallel()
	own, err := stack.Start(t.Context(), stack.Options{Redis: stack.RedisOptions{Mode: stack.RedisSingle}})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	topic(t, "pressed", 3)
	configured := setup{
		streams: map[string]string{"pressed": "pressed"}, redis: own.Redis,
		more: fmt.Sprintf("quotas: {stream: {records: %d/s, burst: 1s, shared: true}, share_every: 500ms}\n", ceiling),
	}
	ctx := within(t, time.Minute)
	pressing, stop := context.WithCancel(ctx)
	var all pressers
	var running sync.WaitGroup
	for range 3 {
		p := &presser{instance: sluice(t, configured), bearer: token(t, "presser", "writer")}
		all = append(all, p)
		for range 10 { // an answer can take a while on a busy machine
			running.Go(func() { p.press(pressing) })
		}
	}
	defer running.Wait()
	defer stop()

	// becomes waits until so many records a second of the ceiling are stored in all, and by each
	// that presses. Shares follow the load with a delay, and a busy machine stands still at times.
	becomes := func(what string, on []bool, total, one [2]float64) {
		t.Helper()
		eventually(ctx, t, what, func() error {
			each, sum := all.rates(ctx, on...)
			t.Logf("%s: %.0f records a second of %d", what, each, ceiling)
			fits := sum >= total[0]*ceiling && sum <= total[1]*ceiling
			for i, got := range each {
				fits = fits && (!on[i] || got >= one[0]*ceiling && got <= one[1]*ceiling)
			}
			// After a halt the burst of a second comes on top of the four of a measurement.
			if sum > 1.3*ceiling {
				t.Errorf("%s: %.0f records a second of %d are stored", what, each, ceiling)
			}
			if !fits {
				return fmt.Errorf("%.0f records a second of %d are stored", each, ceiling)
			}
			return nil
		})
	}
	whole, free := [2]float64{0.85, 1.05}, [2]float64{0, 2}
	becomes("all press", []bool{true, true, true}, whole, [2]float64{0.2, 0.45})
	becomes("one presses", []bool{true, false, false}, whole, free)

	if err := own.Redis.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		p.mu.Lock()
		p.slowest = 0
		p.mu.Unlock()
	}
	becomes("all press without Redis", []bool{true, true, true}, whole, [2]float64{0.25, 0.37})
	becomes("one presses without Redis", []bool{false, true, false}, free, [2]float64{0.25, 0.37})

	if err := own.Redis.Nodes[0].Start(ctx); err != nil {
		t.Fatal(err)
	}
	becomes("one presses with Redis again", []bool{false, true, false}, whole, free)

	stop()
	running.Wait()
	for n, p := range all {
		t.Logf("instance %d: %d stored, %d refused, the slowest answer without Redis took %v", n, p.stored.Load(), p.refused.Load(), p.slowest)
		if len(p.oddly) > 0 || p.refused.Load() == 0 {
			t.Errorf("instance %d: %v", n, p.oddly)
		}
	}
}
