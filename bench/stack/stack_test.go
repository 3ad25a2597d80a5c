package stack_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"sluice/bench/stack"
)

func start(t *testing.T, opts stack.Options) *stack.Stack {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	servers, err := stack.Start(t.Context(), opts)
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	return servers
}

func TestStackSurvivesKillAndPause(t *testing.T) {
	began := time.Now()
	servers := start(t, stack.Options{Brokers: 1, SASL: true, ACLs: true, Redis: stack.RedisOptions{Mode: stack.RedisSingle, Password: true, TLS: true}})
	t.Logf("up after %v", time.Since(began))
	ctx := t.Context()
	if err := servers.CreateTopic(ctx, "numbers", 3, map[string]string{"retention.ms": "60000"}); err != nil {
		t.Fatal(err)
	}
	produce(t, servers.Bootstrap(), "before")

	user := servers.Users[0]
	for name, mechanism := range map[string]sasl.Mechanism{
		"plain":    plain.Auth{User: user.Name, Pass: user.Password}.AsMechanism(),
		"scram256": scram.Auth{User: user.Name, Pass: user.Password}.AsSha256Mechanism(),
		"scram512": scram.Auth{User: user.Name, Pass: user.Password}.AsSha512Mechanism(),
	} {
		client, err := kgo.NewClient(kgo.SeedBrokers(servers.SASLBootstrap()...), kgo.DialTLSConfig(servers.TLS()), kgo.SASL(mechanism))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Ping(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		client.Close()
	}

	step := func(what string) { t.Logf("%s after %v", what, time.Since(began)) }
	step("sasl")
	broker := servers.Brokers[0]
	pid := broker.PID()
	if err := broker.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if broker.PID() == pid {
		t.Error("restart: it is the same process")
	}
	produce(t, servers.Bootstrap(), "after")

	step("restart")
	if err := broker.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := ping(ctx, broker.Addr, 300*time.Millisecond); err == nil {
		t.Error("a paused broker answers")
	}
	step("paused")
	if err := broker.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := ping(ctx, broker.Addr, 20*time.Second); err != nil {
		t.Errorf("a broker that was resumed: %v", err)
	}

	step("pause")
	if err := servers.Allow(ctx, user.Name, "numbers", kmsg.ACLOperationRead, kmsg.ACLOperationDescribe); err != nil {
		t.Error(err)
	}
	if err := servers.Withdraw(ctx, user.Name, "numbers"); err != nil {
		t.Error(err)
	}
	if err := servers.DeleteRecords(ctx, "numbers", 0, 0); err != nil {
		t.Error(err)
	}
	if err := servers.DeleteTopic(ctx, "numbers"); err != nil {
		t.Error(err)
	}

	step("acl")
	options, err := redis.ParseURL(servers.Redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.TLSConfig = servers.TLS()
	cache := redis.NewClient(options)
	defer cache.Close()
	if err := cache.Set(ctx, "a", "b", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := servers.Redis.Nodes[0].Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cache.Get(ctx, "a").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("after a restart Redis answers %v, want nothing kept", err)
	}
}

func TestStackEndsWithContext(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	servers, err := stack.Start(ctx, stack.Options{Redis: stack.RedisOptions{Mode: stack.RedisSingle}})
	stack.Check(t, err)
	pid, addr := servers.Redis.Nodes[0].PID(), servers.Redis.Nodes[0].Addr
	cancel()
	deadline := time.Now().Add(10 * time.Second)
	for syscall.Kill(pid, 0) == nil {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives the context")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := servers.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("something still listens")
	}
	if _, err := os.Stat(servers.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left behind: %v", err)
	}
}

func TestRedisModes(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			t.Parallel()
			servers := start(t, stack.Options{Redis: stack.RedisOptions{Mode: stack.RedisSentinel, Password: secure, TLS: secure}})
			client := redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: stack.SentinelMaster, SentinelAddrs: servers.Redis.SentinelAddrs(),
				SentinelPassword: servers.Redis.Password, Password: servers.Redis.Password, TLSConfig: servers.TLS(),
			})
			defer client.Close()
			if err := client.Set(t.Context(), "a", "b", 0).Err(); err != nil {
				t.Error(err)
			}
		})
		t.Run(fmt.Sprintf("cluster,secure=%v", secure), func(t *testing.T) {
			t.Parallel()
			servers := start(t, stack.Options{Redis: stack.RedisOptions{Mode: stack.RedisCluster, Password: secure, TLS: secure}})
			client := redis.NewClusterClient(&redis.ClusterOptions{
				Addrs: servers.Redis.Addrs(), Password: servers.Redis.Password, TLSConfig: servers.TLS(),
			})
			defer client.Close()
			for i := range 20 {
				if err := client.Set(t.Context(), fmt.Sprint("key", i), i, 0).Err(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestThreeBrokers(t *testing.T) {
	servers := start(t, stack.Options{Brokers: 3})
	ctx := t.Context()
	if err := servers.CreateTopic(ctx, "numbers", 6, nil); err != nil {
		t.Fatal(err)
	}
	leaders, err := servers.Leaders(ctx, "numbers")
	if err != nil {
		t.Fatal(err)
	}
	produce(t, servers.Bootstrap(), "before")
	victim := servers.Brokers[leaders[0]-1]
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	produce(t, servers.Bootstrap(), "one is gone")
	if err := victim.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]stack.Options{
		"brokers": {Brokers: 4},
		"mode":    {Redis: stack.RedisOptions{Mode: "ring"}},
	} {
		if _, err := stack.Start(t.Context(), opts); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}

func TestMissingErrorSaysHow(t *testing.T) {
	t.Parallel()
	err := &stack.MissingError{What: "kcat", Get: "apt-get install kcat", Err: errors.New("not root")}
	for _, want := range []string{"kcat", "apt-get install kcat", "not root"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func produce(t *testing.T, brokers []string, value string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("numbers"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func ping(ctx context.Context, addr string, within time.Duration) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestTimeoutOverhead(within))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return client.Ping(ctx)
}
