package redisauth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"sluice/auth"
	"sluice/auth/redisauth"
)

// node is an instance that shares revocations.
type node struct {
	*redisauth.Revocations
	set *auth.Revocations
}

func newNode(t testing.TB, options redis.UniversalOptions, prefix string, poll time.Duration, most int) node {
	t.Helper()
	set, err := auth.NewRevocations(auth.RevocationsConfig{Max: most})
	if err != nil {
		t.Fatal(err)
	}
	made, err := redisauth.NewRevocations(connectAs(t, options, prefix), redisauth.RevocationsConfig{Set: set, Poll: poll})
	if err != nil {
		t.Fatal(err)
	}
	return node{made, set}
}

// run runs the node until the test ends or the returned function is called.
func (n node) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// revoke is what a server does for an operator.
func (n node) revoke(t testing.TB, r auth.Revocation) error {
	t.Helper()
	complete, err := n.set.Complete(r)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := n.set.Add(complete)
	if err != nil {
		t.Fatal(err)
	}
	return n.Save(t.Context(), stored)
}

func (n node) knows(id string) bool {
	for r := range n.set.All() {
		if r.TokenID == id {
			return true
		}
	}
	return false
}

// TestRevocationsReachAllInstances: by a message long before the next poll, and those
// that start later as they load.
func TestRevocationsReachAllInstances(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, options redis.UniversalOptions) {
		prefix := fmt.Sprintf("reach%d:", prefixes.Add(1))
		a, b := newNode(t, options, prefix, time.Hour, 0), newNode(t, options, prefix, time.Hour, 0)
		if err := b.Check(t.Context()); !errors.Is(err, auth.ErrStoreUnavailable) {
			t.Errorf("before the first load: %v", err)
		}
		b.run(t)
		eventually(t, "the other instance listens and has polled", func() bool { return b.Check(t.Context()) == nil })
		want := auth.Revocation{Issuer: "https://id", Subject: "ü\"<>", Before: time.UnixMilli(1700000000123), Until: time.UnixMilli(time.Now().Add(time.Hour).UnixMilli())}
		for _, r := range []auth.Revocation{want, {TokenID: "j"}, {SessionID: "s"}, {Tenant: "acme"}} {
			if err := a.revoke(t, r); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the other instance has them", func() bool { return b.set.Len() == 4 })
		late := newNode(t, options, prefix, time.Hour, 0)
		if err := late.Load(t.Context()); err != nil || late.set.Len() != 4 {
			t.Fatalf("a late one has %d, %v", late.set.Len(), err)
		}
		for name, n := range map[string]node{"by message": b, "by loading": late} {
			found := false
			for r := range n.set.All() {
				found = found || r == want
			}
			if !found {
				t.Errorf("%s: got %v", name, n.set.All())
			}
		}
	})
}

// TestRevocationsAreFoundByPolling: where messages are lost, whichever number of them.
func TestRevocationsAreFoundByPolling(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, options redis.UniversalOptions) {
		prefix := fmt.Sprintf("poll%d:", prefixes.Add(1))
		b := newNode(t, options, prefix, 20*time.Millisecond, 0)
		b.run(t)
		eventually(t, "it has polled", func() bool { return b.Check(t.Context()) == nil })
		// What is written without a message, as if all of them were lost: more than one
		// page of them, which is slow on miniredis.
		number := 1200
		client := plain(t, options)
		pipe := client.Pipeline()
		now := time.Now()
		for n := range number {
			member := fmt.Sprintf(`{"jti":"t%d","until":%d}`, n, now.Add(time.Hour).UnixMilli())
			pipe.ZAdd(t.Context(), prefix+"{revocations}:added", redis.Z{Score: float64(now.UnixMicro() + int64(n)), Member: member})
			pipe.ZAdd(t.Context(), prefix+"{revocations}:ends", redis.Z{Score: float64(now.Add(time.Hour).UnixMilli()), Member: member})
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all are found", func() bool { return b.set.Len() == number })
		// A later one is found in what is new, and one by a clock that is behind.
		for name, at := range map[string]time.Time{"later": now.Add(time.Second), "behind": now.Add(-30 * time.Second)} {
			member := fmt.Sprintf(`{"jti":%q,"until":%d}`, name, now.Add(time.Hour).UnixMilli())
			if err := client.ZAdd(t.Context(), prefix+"{revocations}:added", redis.Z{Score: float64(at.UnixMicro()), Member: member}).Err(); err != nil {
				t.Fatal(err)
			}
			eventually(t, name+" is found", func() bool { return b.knows(name) })
		}
	})
}

// TestRevocationsSurviveRedis: what cannot be saved is saved once Redis is back, and
// what Redis has lost is saved again, so that an instance that starts afterwards has it.
func TestRevocationsSurviveRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	options := redis.UniversalOptions{Addrs: []string{server.Addr()}}
	a := newNode(t, options, "survive:", 20*time.Millisecond, 0)
	a.run(t)
	if err := a.revoke(t, auth.Revocation{TokenID: "before"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is in order", func() bool { return a.Check(t.Context()) == nil })
	server.Close()
	if err := a.revoke(t, auth.Revocation{TokenID: "during"}); !errors.Is(err, auth.ErrStoreUnavailable) {
		t.Fatalf("without Redis: %v", err)
	}
	eventually(t, "the check fails", func() bool { return a.Check(t.Context()) != nil })
	server.FlushAll() // a restart without data
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is in order again", func() bool { return a.Check(t.Context()) == nil })
	eventually(t, "an instance that starts has both", func() bool {
		late := newNode(t, options, "survive:", time.Hour, 0)
		return late.Load(t.Context()) == nil && late.knows("before") && late.knows("during")
	})
}

// TestRevocationsThatRedisRefuses: without a new connection, which would have everything
// compared, what was refused is saved with the next poll.
func TestRevocationsThatRedisRefuses(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	options := redis.UniversalOptions{Addrs: []string{server.Addr()}}
	a, b := newNode(t, options, "refuses:", 20*time.Millisecond, 0), newNode(t, options, "refuses:", 20*time.Millisecond, 0)
	a.run(t)
	b.run(t)
	eventually(t, "it is in order", func() bool { return a.Check(t.Context()) == nil && b.Check(t.Context()) == nil })
	server.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	if err := a.revoke(t, auth.Revocation{TokenID: "j"}); !errors.Is(err, auth.ErrStoreUnavailable) {
		t.Fatalf("got %v", err)
	}
	server.SetError("")
	eventually(t, "the other instance has it", func() bool { return b.knows("j") })
}

// TestRevocationsInRedisAreBounded: a full store refuses; what has ended makes room, and
// is removed.
func TestRevocationsInRedisAreBounded(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, options redis.UniversalOptions) {
		prefix := fmt.Sprintf("full%d:", prefixes.Add(1))
		a := newNode(t, options, prefix, time.Hour, 3)
		const lasts = 8 * time.Second // longer than a busy machine takes for what comes before
		began := time.Now()
		if err := a.revoke(t, auth.Revocation{TokenID: "short", Until: began.Add(lasts)}); err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			if err := a.revoke(t, auth.Revocation{TokenID: fmt.Sprint(n)}); err != nil {
				t.Fatal(err)
			}
		}
		other := newNode(t, options, prefix, time.Hour, 3)
		if err := other.revoke(t, auth.Revocation{TokenID: "more"}); !errors.Is(err, auth.ErrTooManyRevocations) && time.Since(began) < lasts {
			t.Errorf("one too many: %v", err)
		}
		again := auth.Revocation{TokenID: "again", Until: began.Add(time.Hour)}
		eventually(t, "one has ended", func() bool { return other.Save(t.Context(), again) == nil })
		if n, err := plain(t, options).ZCard(t.Context(), prefix+"{revocations}:ends").Result(); err != nil || n > 3 {
			t.Errorf("%d are stored, %v", n, err)
		}
		if n, err := plain(t, options).ZCard(t.Context(), prefix+"{revocations}:added").Result(); err != nil || n > 3 {
			t.Errorf("%d are stored, %v", n, err)
		}
	})
}

// TestDamagedRevocationsAreIgnored: the others are not lost for them.
func TestDamagedRevocationsAreIgnored(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	options := redis.UniversalOptions{Addrs: []string{server.Addr()}}
	a := newNode(t, options, "damaged:", 20*time.Millisecond, 0)
	a.run(t)
	eventually(t, "it is in order", func() bool { return a.Check(t.Context()) == nil })
	good := fmt.Sprintf(`{"jti":"good","until":%d}`, time.Now().Add(time.Hour).UnixMilli())
	client := plain(t, options)
	for n, member := range []string{"", "{", "[]", `{"until":9e99}`, `{"iss":"x","until":4102444800000}`, `{"jti":"a","sub":"b","until":4102444800000}`, strings.Repeat("x", 5000), good} {
		if err := client.ZAdd(t.Context(), "damaged:{revocations}:added", redis.Z{Score: float64(time.Now().UnixMicro() + int64(n)), Member: member}).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.Publish(t.Context(), "damaged:revoked", member).Err(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the good one is known", func() bool { return a.knows("good") })
	if a.set.Len() != 1 {
		t.Errorf("it has %d", a.set.Len())
	}
}
