package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/tidwall/gjson"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// ownRedis starts a Redis for one test, and returns clients of its servers.
func ownRedis(t *testing.T, options stack.RedisOptions) (*stack.Redis, []*redis.Client) {
	t.Helper()
	own, err := stack.Start(t.Context(), stack.Options{Redis: options})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	var all []*redis.Client
	for _, node := range own.Redis.Nodes {
		client := redis.NewClient(&redis.Options{Addr: node.Addr, Password: own.Redis.Password})
		t.Cleanup(func() { _ = client.Close() })
		all = append(all, client)
	}
	return own.Redis, all
}

// lags are the latencies of records, over all clients that receive them.
type lags struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *lags) note(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

// take returns the 99th percentile since the last call, and the number of records.
func (l *lags) take() (p99 time.Duration, of int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0, 0
	}
	slices.Sort(l.all)
	p99, of = l.all[len(l.all)*99/100], len(l.all)
	l.all = nil
	return p99, of
}

// TestNothingWaitsForRedis is about promise 6: while Redis hangs and clients ack and
// subscribe by name, records must arrive as soon as before, memory must stay flat,
// and readyz must report it within two seconds; with Redis back everything must be
// as before.
func TestNothingWaitsForRedis(t *testing.T) {
	const partitions = 2
	span := lasting(6*time.Second, time.Minute)
	own, _ := ownRedis(t, stack.RedisOptions{Mode: stack.RedisSingle})
	topic(t, "waitless", partitions)
	topic(t, "waitless-acks", 1)
	i := sluice(t, setup{
		streams: map[string]string{"waitless": "waitless", "acked": "waitless-acks"}, redis: own,
	})
	ctx := within(t, 2*span+60*time.Second)
	flow := startFlow(ctx, t, "waitless", 200)
	ticks := startFlow(ctx, t, "waitless-acks", 20)
	var late lags
	var all crowd
	for n := range 40 {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[n%2]
		w := newWitness(t, fmt.Sprintf("waitless-%d", n), over, "waitless", partitions, flow, i)
		see := w.Watch
		w.Watch = func(m *clients.Message) {
			if m.Kind == "event" {
				late.note(flow.lag(m))
			}
			see(m)
		}
		all.add(ctx, t, w)
	}
	var ackers []*acker
	for n := range 10 {
		ackers = append(ackers, startAcker(ctx, t, i, "acked", fmt.Sprint("name-", n)))
	}
	all.await(ctx, t, 400)
	ackers[0].awaitAck(ctx, t)

	// Clients connect, by name too, both before and during the outage.
	comers := startComers(ctx, t, i, "waitless")
	namers := startNamers(ctx, t, i, "acked")
	pause(ctx, time.Second)
	late.take()
	pause(ctx, span)
	namers.await(ctx, t, 5, 0)
	before, of := late.take()
	taken, _ := namers.take()
	resident := residentOf(t, i.Server)

	if err := own.Nodes[0].Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Nodes[0].Resume() })
	namers.take() // those that were answered until then
	hung := time.Now()
	var asking sync.WaitGroup
	asking.Go(func() {
		eventually(ctx, t, "readyz names Redis", func() error { return degraded(ctx, i, true) })
		t.Logf("readyz named Redis after %v", time.Since(hung))
	})
	var memory []int64
	for time.Since(hung) < span || len(memory) < 40 {
		memory = append(memory, residentOf(t, i.Server))
		pause(ctx, 100*time.Millisecond)
	}
	asking.Wait()
	namers.await(ctx, t, 0, 5)
	for _, a := range ackers {
		a.awaitRefusal(ctx, t)
	}
	// What is stored by now must arrive while Redis hangs.
	all.await(ctx, t, flow.count())
	during, ofDuring := late.take()
	takenDuring, refused := namers.take()
	if err := own.Nodes[0].Resume(); err != nil {
		t.Fatal(err)
	}
	namers.end()
	t.Logf("p99 %v of %d before, %v of %d while Redis hung; %d subscriptions under a name before, then %d and %d refused; %d others came and went",
		before, of, during, ofDuring, taken, takenDuring, refused, comers.end())
	if takenDuring > 1 {
		t.Error("the pause did not strike")
	}
	flat(t, resident, memory)
	ackers[0].awaitAck(ctx, t)
	eventually(ctx, t, "readyz is content", func() error { return degraded(ctx, i, false) })
	ackers[0].succeeded(ctx, t, i, "acked", "name-0").end()
	ticks.end()
	flow.end()
	writeEnds(ctx, t, "waitless", partitions)
	log := readLog(ctx, t, "waitless", partitions).Log
	all.running.Wait()
	judge(t, log, all.subscribers())
	all.stayed(t)
}

// namers subscribe by name repeatedly, and count the answers.
type namers struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu             sync.Mutex
	taken, refused int
}

func startNamers(ctx context.Context, t *testing.T, i *instance, stream string) *namers {
	t.Helper()
	n := &namers{}
	ctx, n.stop = context.WithCancel(ctx)
	bearer := token(t, "namer", "reader")
	n.done.Go(func() {
		for pause(ctx, 20*time.Millisecond) {
			// A request in progress is completed, so that no answer is truncated.
			answer := subscribeTo(context.WithoutCancel(ctx), t, i, bearer, stream, map[string]any{"cursor_name": "another", "from": "latest"})
			n.mu.Lock()
			switch {
			case answer.Get("type").Str == "subscribed":
				n.taken++
			case answer.Get("code").Str == "overloaded" && answer.Get("retryable").Bool():
				n.refused++
			default:
				t.Errorf("a subscription under a name is answered %s", answer.Raw)
			}
			n.mu.Unlock()
		}
	})
	t.Cleanup(n.end)
	return n
}

func (n *namers) end() {
	n.stop()
	n.done.Wait()
}

// await waits until numbers of subscriptions were accepted and refused since the
// last take.
func (n *namers) await(ctx context.Context, t *testing.T, taken, refused int) {
	t.Helper()
	eventually(ctx, t, "subscriptions under a name are answered", func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.taken < taken || n.refused < refused {
			return fmt.Errorf("%d are taken, %d refused", n.taken, n.refused)
		}
		return nil
	})
}

// take returns how many were accepted and refused since the last call.
func (n *namers) take() (taken, refused int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken, refused = n.taken, n.refused
	n.taken, n.refused = 0, 0
	return taken, refused
}

// degraded checks that an instance is ready, and whether it reports that it works
// without Redis.
func degraded(ctx context.Context, i *instance, want bool) error {
	said, err := i.ask(ctx, "/readyz")
	if err != nil {
		return err
	}
	if got := gjson.Get(said, `degraded.#(=="redis")`).Exists(); got != want {
		return fmt.Errorf("it says %s", said)
	}
	return nil
}

// TestRedisRefusesAndForgetsScripts is about promises 4 and 6, when Redis is
// reachable but out of memory, and when it has lost the scripts.
func TestRedisRefusesAndForgetsScripts(t *testing.T) {
	t.Parallel()
	own, plain := ownRedis(t, stack.RedisOptions{Mode: stack.RedisSingle})
	topic(t, "refused", 1)
	i := sluice(t, setup{streams: map[string]string{"early": "refused"}, redis: own})
	ctx := within(t, 60*time.Second)
	flow := startFlow(ctx, t, "refused", 50)
	live := gather(ctx, t, 1, "early", 1, flow, i)
	live.await(ctx, t, 20)
	holder := startAcker(ctx, t, i, "early", "kept")
	holder.awaitAck(ctx, t)

	if err := plain[0].ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "acks are refused", func() error {
		holder.mu.Lock()
		defer holder.mu.Unlock()
		if holder.refused < 2 {
			return fmt.Errorf("%d were", holder.refused)
		}
		return nil
	})
	answer := subscribeOnce(ctx, t, i, token(t, "acker", "reader"), map[string]any{"cursor_name": "another", "from": "latest"})
	if answer.Get("code").Str != "overloaded" || !answer.Get("retryable").Bool() {
		t.Errorf("with Redis out of memory, a subscription under a name is answered %s", answer.Raw)
	}
	if err := plain[0].ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	holder.awaitAck(ctx, t)
	holder = holder.succeeded(ctx, t, i, "early", "kept")

	if err := plain[0].ScriptFlush(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	holder.awaitAck(ctx, t)
	holder.mu.Lock()
	if holder.refused > 0 {
		t.Errorf("%d acks were refused as Redis had lost its scripts", holder.refused)
	}
	holder.mu.Unlock()
	holder.succeeded(ctx, t, i, "early", "kept").end()
	flow.end()
	writeEnds(ctx, t, "refused", 1)
	log := readLog(ctx, t, "refused", 1).Log
	live.running.Wait()
	judge(t, log, live.subscribers())
	live.stayed(t)
}

// TestAFailoverThatLosesAcksSkipsNothing is about promises 4 and 6: the replica that
// takes over lacks the last seconds of acks. A named cursor may then repeat records;
// it must not skip any.
func TestAFailoverThatLosesAcksSkipsNothing(t *testing.T) {
	t.Parallel()
	own, plain := ownRedis(t, stack.RedisOptions{Mode: stack.RedisSentinel, Password: true})
	passwordFile := filepath.Join(t.TempDir(), "redis.password")
	if err := os.WriteFile(passwordFile, []byte(own.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	topic(t, "failover", 1)
	i := sluice(t, setup{streams: map[string]string{"early": "failover"}, redisConfig: fmt.Sprintf(
		"{sentinel: {master: %s, addresses: [%s], password_file: %s}, password_file: %s}",
		stack.SentinelMaster, strings.Join(own.SentinelAddrs(), ", "), passwordFile, passwordFile)})
	ctx := within(t, 90*time.Second)
	flow := startFlow(ctx, t, "failover", 50)
	live := gather(ctx, t, 1, "early", 1, flow, i)
	stays, left := startAcker(ctx, t, i, "early", "stays"), startAcker(ctx, t, i, "early", "left")
	stays.awaitAck(ctx, t)
	left.awaitAck(ctx, t)
	eventually(ctx, t, "the replica has it all", func() error {
		n, err := plain[0].Wait(ctx, 1, time.Second).Result()
		if err == nil && n != 1 {
			err = errors.New("it has not")
		}
		return err
	})

	// Sentinel promotes only a replica that it knows; it looks for replicas every
	// ten seconds.
	for _, addr := range own.SentinelAddrs() {
		sentinel := redis.NewSentinelClient(&redis.Options{Addr: addr, Password: own.Password})
		eventually(ctx, t, "the sentinel knows the replica", func() error {
			known, err := sentinel.Replicas(ctx, stack.SentinelMaster).Result()
			if err == nil && len(known) == 0 {
				err = errors.New("it does not")
			}
			return err
		})
		_ = sentinel.Close()
	}

	// From here on the replica receives nothing: it does not know the password.
	primary, replica := plain[0], plain[1]
	if err := replica.ConfigSet(ctx, "masterauth", "forgotten").Err(); err != nil {
		t.Fatal(err)
	}
	if err := primary.ClientKillByFilter(ctx, "TYPE", "replica").Err(); err != nil {
		t.Fatal(err)
	}
	left.mu.Lock()
	known := left.sent
	left.mu.Unlock()
	pause(ctx, 1500*time.Millisecond)
	stays.awaitAck(ctx, t)
	left.awaitAck(ctx, t)
	left.end()
	died := time.Now()
	if err := own.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	stays.awaitAck(ctx, t)
	t.Logf("acks were stored again %v after the primary died", time.Since(died))
	role, err := replica.Do(ctx, "ROLE").Slice()
	if err != nil || len(role) == 0 || role[0] != "master" {
		t.Fatalf("the replica's role is %v (%v)", role, err)
	}

	again := startAcker(ctx, t, i, "early", "left")
	again.awaitAck(ctx, t)
	again.mu.Lock()
	left.mu.Lock()
	t.Logf("left: acked up to %d, sent up to %d, the replica knew of %d at most; resumed at %d", left.acked, left.sent, known, again.first)
	if again.first >= left.acked {
		t.Errorf("it resumes at %d, and was acked up to %d: no ack was lost", again.first, left.acked)
	}
	if again.first > known {
		t.Errorf("it resumes at %d, and the replica knew of %d at most", again.first, known)
	}
	left.mu.Unlock()
	again.mu.Unlock()
	again.end()
	stays.mu.Lock()
	if stays.refused == 0 {
		t.Error("no ack was refused: the failover did not strike")
	}
	stays.mu.Unlock()
	stays.succeeded(ctx, t, i, "early", "stays").end()
	flow.end()
	writeEnds(ctx, t, "failover", 1)
	log := readLog(ctx, t, "failover", 1).Log
	live.running.Wait()
	judge(t, log, live.subscribers())
	live.stayed(t)
}
