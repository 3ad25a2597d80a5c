package quota_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/ingest/quota"
)

// ledger divides quotas as the store does: max-min fair, and beyond a first share only
// what is free.
type ledger struct {
	mu    sync.Mutex
	away  bool
	alive map[string]time.Time
	all   map[string]map[string]lease
	calls int
	names []string
}

type lease struct {
	want, share float64
	until       time.Time
}

func newLedger() *ledger {
	return &ledger{alive: map[string]time.Time{}, all: map[string]map[string]lease{}}
}

// instance is a Sharer of the ledger.
type instance struct {
	*ledger
	name string
}

func (i instance) Share(_ context.Context, names []string, wants []float64, hold time.Duration) ([]float64, int, error) {
	l, now := i.ledger, time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if l.away {
		return nil, 0, errors.New("the store is away")
	}
	l.alive[i.name] = now.Add(hold)
	shares := make([]float64, len(names))
	for n, name := range names {
		if !slices.Contains(l.names, name) {
			l.names = append(l.names, name)
		}
		if l.all[name] == nil {
			l.all[name] = map[string]lease{}
		}
		of := l.all[name]
		if wants[n] == 0 {
			delete(of, i.name)
			continue
		}
		wanted := []float64{wants[n]}
		free := 1.0
		for other, one := range of {
			if other != i.name && now.Before(one.until) {
				wanted, free = append(wanted, one.want), free-one.share
			}
		}
		share := fair(wants[n], wanted)
		if before, ok := of[i.name]; ok && now.Before(before.until) {
			share = min(share, max(free, 0))
		}
		of[i.name] = lease{wants[n], share, now.Add(hold)}
		shares[n] = share
	}
	count := 0
	for _, until := range l.alive {
		if now.Before(until) {
			count++
		}
	}
	return shares, count, nil
}

// fair returns the max-min fair part of one of those who want parts of a whole.
func fair(mine float64, all []float64) float64 {
	slices.Sort(all)
	left := 1.0
	got := 0.0
	for i, want := range all {
		part := min(want, left/float64(len(all)-i))
		left -= part
		if want <= mine {
			got = max(got, part)
		}
	}
	return min(mine, got) + max(left, 0)/float64(len(all))
}

// instances runs quotas on several instances, which share them by a ledger.
func instances(t *testing.T, l *ledger, n int, rule *quota.Rule) []*door {
	doors := make([]*door, n)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range doors {
		config := set(nil, nil, rule)
		config.Sharer, config.Every = instance{l, string(rune('a' + i))}, time.Second
		doors[i] = newDoor(t, time.Now, config)
		running.Go(func() { _ = doors[i].quotas.Run(ctx) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return doors
}

// load has clients publish at rates, in records a second on each instance, and returns how
// many a second are admitted.
func load(doors []*door, rates []float64, span time.Duration) []float64 {
	const tick = 10 * time.Millisecond
	due, admitted := make([]float64, len(doors)), make([]float64, len(doors))
	for range int(span / tick) {
		time.Sleep(tick)
		synctest.Wait()
		for i, d := range doors {
			for due[i] += rates[i] * tick.Seconds(); due[i] >= 1; due[i]-- {
				if d.publish(user("a"), "orders", 1, 1) == nil {
					admitted[i]++
				}
			}
		}
	}
	for i := range admitted {
		admitted[i] /= span.Seconds()
	}
	return admitted
}

func sum(of []float64) (all float64) {
	for _, one := range of {
		all += one
	}
	return all
}

func near(got, want float64) bool { return math.Abs(got-want) <= max(0.1*want, 2) }

func TestSharesAreFair(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ load, want []float64 }{
		"all on one":        {[]float64{300, 0, 0}, []float64{100, 0, 0}},
		"alike":             {[]float64{300, 300, 300}, []float64{33, 33, 33}},
		"one wants little":  {[]float64{10, 300, 300}, []float64{10, 44, 44}},
		"less than allowed": {[]float64{20, 30, 10}, []float64{20, 30, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				doors := instances(t, newLedger(), 3, &quota.Rule{Records: 100, Burst: time.Second, Shared: true})
				first := load(doors, test.load, 10*time.Second)
				// The bursts, the first shares, and the ceiling.
				if all := sum(first) * 10; all > 100*10+2*100+2*100 {
					t.Errorf("%v were admitted in the first ten seconds", all)
				}
				got := load(doors, test.load, time.Minute)
				for i := range got {
					if !near(got[i], test.want[i]) {
						t.Errorf("admitted %v a second, want %v", got, test.want)
					}
				}
				if all := sum(got) * 60; all > 100*60*1.01+100 {
					t.Errorf("%v in a minute exceed the ceiling", all)
				}
			})
		})
	}
}

// TestSharesMoveWithTheClients: clients that come back to another instance have there what
// they had before.
func TestSharesMoveWithTheClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		doors := instances(t, newLedger(), 3, &quota.Rule{Records: 100, Burst: time.Second, Shared: true})
		load(doors, []float64{90, 0, 0}, 30*time.Second)
		load(doors, []float64{0, 90, 0}, 12*time.Second)
		if got := load(doors, []float64{0, 90, 0}, 30*time.Second); !near(got[1], 90) {
			t.Errorf("admitted %v a second of 90", got[1])
		}
	})
}

// TestTheFirstShareComesSoon: a quota that comes into use has its share before the next
// renewal of all.
func TestTheFirstShareComesSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		doors := instances(t, newLedger(), 3, &quota.Rule{Records: 100, Burst: time.Second, Shared: true})
		time.Sleep(2100 * time.Millisecond) // the instances know of each other
		load(doors, []float64{1000, 0, 0}, 100*time.Millisecond)
		if got := load(doors, []float64{1000, 0, 0}, 700*time.Millisecond)[0]; got < 90 {
			t.Errorf("%v a second are admitted of 100", got)
		}
	})
}

// TestQuotasWithoutTheStore: while the store is away each instance has an equal part, by
// the last known number of instances, and the shares come back with the store.
func TestQuotasWithoutTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		doors := instances(t, l, 3, &quota.Rule{Records: 90, Burst: time.Second, Shared: true})
		much := []float64{300, 300, 300}
		load(doors, []float64{300, 0, 0}, 20*time.Second)
		l.mu.Lock()
		l.away = true
		l.mu.Unlock()
		load(doors, much, 5*time.Second) // the last shares lapse
		got := load(doors, much, 30*time.Second)
		for i := range got {
			if !near(got[i], 30) {
				t.Errorf("admitted %v a second, want 30 each", got)
			}
		}
		l.mu.Lock()
		l.away = false
		l.mu.Unlock()
		load(doors, []float64{300, 0, 0}, 15*time.Second)
		if got := load(doors, []float64{300, 0, 0}, 20*time.Second); !near(got[0], 90) {
			t.Errorf("with the store again %v a second are admitted", got[0])
		}
	})
}

// TestSharesAreGivenUp: an instance that ends, or does not use a quota, leaves it to the
// others, and publishing calls nobody.
func TestSharesAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		rule := &quota.Rule{Records: 100, Burst: time.Second, Shared: true}
		config := set(rule, nil, nil)
		config.Sharer, config.Every = instance{l, "a"}, time.Second
		d := newDoor(t, time.Now, config)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = d.quotas.Run(ctx) })
		holders := func() (n int) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, of := range l.all {
				n += len(of)
			}
			return n
		}
		for _, name := range []string{"a", "b/c", "b%2Fc"} {
			if refused := d.publish(user(name), "orders", 1, 1); refused != nil {
				t.Fatal(refused)
			}
		}
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		l.mu.Lock()
		calls, names := l.calls, strings.Join(l.names, " ")
		l.mu.Unlock()
		if holders() != 3 || calls > 4 {
			t.Errorf("%d shares after %d calls: %s", holders(), calls, names)
		}
		for range 50 {
			_ = d.publish(user("a"), "orders", 1, 1)
		}
		if l.mu.Lock(); l.calls != calls {
			t.Error("a publish has called the store")
		}
		l.mu.Unlock()
		for range 15 {
			time.Sleep(time.Second)
			_ = d.publish(user("a"), "orders", 1, 1)
		}
		if holders() != 1 {
			t.Errorf("%d shares of what is not used are kept", holders())
		}
		cancel()
		running.Wait()
		if holders() != 0 {
			t.Error("an instance that has ended keeps its shares")
		}
	})
}

// TestABatchLargerThanTheShare: what fits into a quota fits into the share of one instance,
// which admits nothing more until it is paid for.
func TestABatchLargerThanTheShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		doors := instances(t, newLedger(), 2, &quota.Rule{Records: 100, Burst: time.Second, Shared: true})
		load(doors, []float64{300, 300}, 10*time.Second)
		var refused *ingest.QuotaError
		for range 100 {
			if refused = doors[0].publish(user("a"), "orders", 100, 1); refused == nil {
				break
			}
			if refused.Never {
				t.Fatal(refused)
			}
			time.Sleep(refused.RetryAfter)
		}
		if refused != nil {
			t.Fatal(refused)
		}
		if refused = doors[0].publish(user("a"), "orders", 1, 1); refused == nil || refused.RetryAfter < 500*time.Millisecond {
			t.Errorf("not paid for: %+v", refused)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := quota.Config{Tracked: 1, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Every: 1, Sharer: instance{}}
	if _, err := quota.New(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*quota.Config){
		"tracked": func(c *quota.Config) { c.Tracked = 0 },
		"clock":   func(c *quota.Config) { c.Now = nil },
		"logger":  func(c *quota.Config) { c.Logger = nil },
		"every":   func(c *quota.Config) { c.Every = 0 },
	} {
		bad := good
		change(&bad)
		if _, err := quota.New(bad); err == nil {
			t.Errorf("taken without a valid %s", name)
		}
	}
}
