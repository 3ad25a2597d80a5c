package redisstore_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

func sharesOf(t *testing.T, f fixture, instance string) func(lease time.Duration, wants ...float64) ([]float64, int) {
	t.Helper()
	shares, err := f.Shares(instance)
	if err != nil {
		t.Fatal(err)
	}
	return func(lease time.Duration, wants ...float64) ([]float64, int) {
		t.Helper()
		names := make([]string, len(wants))
		for i := range wants {
			names[i] = fmt.Sprintf("stream//{orders}%d///", i)
		}
		got, instances, err := shares.Share(ctx, names, wants, lease)
		if err != nil {
			t.Fatal(err)
		}
		return got, instances
	}
}

// TestSharesOfQuotas: shares are max-min fair, a share grows only into what is free, and
// what was given up or has lapsed is there for the others.
func TestSharesOfQuotas(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		a, b, c := sharesOf(t, f, "a"), sharesOf(t, f, "b"), sharesOf(t, f, "c")
		want := func(what string, got []float64, share float64) {
			t.Helper()
			if math.Abs(got[0]-share) > 0.001 {
				t.Errorf("%s has %v, want %v", what, got[0], share)
			}
		}
		got, instances := a(time.Hour, 0.5)
		want("one alone", got, 1)
		if instances != 1 {
			t.Errorf("%d instances", instances)
		}
		got, _ = b(time.Hour, 1)
		want("a newcomer", got, 0.5)
		got, _ = b(time.Hour, 1)
		want("one beside a share that was not renewed yet", got, 0)
		got, _ = a(time.Hour, 0.5)
		want("one that gives way", got, 0.5)
		got, _ = b(time.Hour, 1)
		want("the newcomer then", got, 0.5)
		got, _ = a(time.Hour, 0.1)
		want("one that wants little", got, 0.1)
		got, _ = b(time.Hour, 1)
		want("one that wants all beside it", got, 0.9)
		got, instances = c(time.Hour, 1)
		want("a third one", got, 0.45)
		if instances != 3 {
			t.Errorf("%d instances", instances)
		}
		a(time.Hour, 0)
		b(time.Hour, 0.25)
		got, _ = c(time.Hour, 0.25)
		want("one with what nobody wants", got, 0.5)
		if _, instances = b(0, 0); instances != 2 {
			t.Errorf("%d instances after one has ended", instances)
		}
		got, _ = c(time.Millisecond, 1)
		want("the last one", got, 1)
		for deadline := time.Now().Add(10 * time.Second); ; { // the last one lapses
			if got, _ = a(time.Hour, 1); got[0] == 1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("a share that has lapsed is held: the other one has %v", got)
			}
		}

		many := make([]float64, 1200)
		for i := range many {
			many[i] = 1
		}
		if got, _ := b(time.Hour, many...); len(got) != len(many) || got[1199] != 1 {
			t.Errorf("%d shares", len(got))
		}
	})
}

// TestSharesSurviveTheLossOfTheirData: scripts and data can be flushed at any time.
func TestSharesSurviveTheLossOfTheirData(t *testing.T) {
	t.Parallel()
	options := redis.UniversalOptions{Addrs: []string{ownServer(t)}}
	f := newFixture(t, options)
	a := sharesOf(t, f, "a")
	a(time.Hour, 1, 1)
	for _, flush := range []func() error{
		func() error { return f.plain.ScriptFlush(ctx).Err() }, func() error { return f.plain.FlushAll(ctx).Err() },
	} {
		if err := flush(); err != nil {
			t.Fatal(err)
		}
		if got, instances := a(time.Hour, 1, 1); got[0] != 1 || got[1] != 1 || instances != 1 {
			t.Errorf("%v of %d instances", got, instances)
		}
	}
	ttl, err := f.plain.PTTL(ctx, f.config.Prefix+"quota.instances").Result()
	if err != nil || ttl <= 0 {
		t.Errorf("the instances live %v, %v", ttl, err)
	}
}

func TestSharesWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}})
	shares, err := f.Shares("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := shares.Share(ctx, []string{"x"}, []float64{1}, time.Second); !errors.Is(err, cursors.ErrStoreUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, _, err := shares.Share(ctx, []string{"x"}, nil, time.Second); err == nil {
		t.Error("a name without a want is accepted")
	}
	for _, name := range []string{"", "a b", "{a}"} {
		if _, err := f.Shares(name); err == nil {
			t.Errorf("an instance has the name %q", name)
		}
	}
}

// ownServer starts a Redis for one test, which may flush it.
func ownServer(t *testing.T) string {
	t.Helper()
	needsRealRedis(t)
	address, err := startServer()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
