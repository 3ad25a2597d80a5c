package redisauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/redisauth"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endServers()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// patience bounds what a test waits for on a busy machine.
const patience = 30 * time.Second

// onEach runs a test against every kind of Redis that is available.
func onEach(t *testing.T, test func(*testing.T, redis.UniversalOptions)) {
	t.Helper()
	for name, options := range map[string]func(*testing.T) redis.UniversalOptions{
		"miniredis": func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}}
		},
		"server": func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: []string{realServer(t)}}
		},
		"cluster": func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: realCluster(t), IsClusterMode: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options(t))
		})
	}
}

var prefixes atomic.Int64

// connect makes a connection with a prefix of its own.
func connect(t testing.TB, options redis.UniversalOptions) *redisauth.Connection {
	t.Helper()
	return connectAs(t, options, "test"+strconv.FormatInt(prefixes.Add(1), 10)+":")
}

func connectAs(t testing.TB, options redis.UniversalOptions, prefix string) *redisauth.Connection {
	t.Helper()
	c, err := redisauth.New(redisauth.Config{Redis: options, Prefix: prefix, Timeout: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// plain is a client for the same Redis.
func plain(t testing.TB, options redis.UniversalOptions) redis.UniversalClient {
	t.Helper()
	client := redis.NewUniversalClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("it never came about that %s", what)
}

// fixed is a Verifier of one identity.
type fixed struct{ identity *auth.Identity }

func (f fixed) Verify(context.Context, auth.Credential) (*auth.Identity, error) {
	id := f.identity
	return &auth.Identity{
		Issuer: id.Issuer, Subject: id.Subject, Claims: id.Claims, ExpiresAt: id.ExpiresAt, TokenID: id.TokenID,
		SessionID: id.SessionID, IssuedAt: id.IssuedAt, Bound: id.Bound, Grants: id.Grants,
	}, nil
}

func authenticator(t testing.TB, verifiers ...auth.Verifier) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(auth.Config{
		Verifiers: verifiers,
		Grants:    []auth.Grant{{When: map[string]string{"role": "reader"}, Subscribe: []string{"*"}}, {Anonymous: true, Subscribe: []string{"public"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func principal(t testing.TB, identity *auth.Identity) *auth.Principal {
	t.Helper()
	p, err := authenticator(t, fixed{identity}).Authenticate(t.Context(), auth.Credential{Source: auth.FromHeader, Scheme: auth.SchemeAPIKey})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Real servers are started by the first test that needs them, and shared.
var (
	servers struct {
		sync.Mutex
		folder    string
		processes []*exec.Cmd
	}
	single  = sync.OnceValues(func() (string, error) { return startServer() })
	cluster = sync.OnceValues(startCluster)
)

func realServer(t *testing.T) string {
	t.Helper()
	needsRealRedis(t)
	address, err := single()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func realCluster(t *testing.T) []string {
	t.Helper()
	needsRealRedis(t)
	addresses, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

func needsRealRedis(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("real servers are left out of short runs")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Debian's package redis-server is needed")
		}
		t.Skip("Debian's package redis-server is not installed")
	}
}

func startServer(options ...string) (string, error) {
	servers.Lock()
	defer servers.Unlock()
	if servers.folder == "" {
		folder, err := os.MkdirTemp("", "redisauth")
		if err != nil {
			return "", err
		}
		servers.folder = folder
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(servers.folder, strconv.Itoa(port))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	process := exec.Command("redis-server", append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder,
	}, options...)...)
	if err := process.Start(); err != nil {
		return "", err
	}
	servers.processes = append(servers.processes, process)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for range 6000 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return address, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", fmt.Errorf("redis-server on %s does not answer", address)
}

// freePort returns a port that is free, and for which the port 10,000 above is free
// too, which a Cluster's nodes use among themselves. Both are below those of outgoing
// connections, so that none of these takes the port of a server that is to be started.
func freePort() (int, error) {
	for range 1000 {
		port := 16000 + rand.IntN(3000)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = listener.Close()
		bus, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10000)))
		if err != nil {
			continue
		}
		_ = bus.Close()
		return port, nil
	}
	return 0, errors.New("no free pair of ports")
}

// startCluster starts a Cluster of two nodes with half of the slots each.
func startCluster() ([]string, error) {
	ctx := context.Background()
	var addresses []string
	var nodes []*redis.Client
	for i := range 2 {
		address, err := startServer("--cluster-enabled", "yes")
		if err != nil {
			return nil, err
		}
		node := redis.NewClient(&redis.Options{Addr: address})
		defer func() { _ = node.Close() }()
		if err := node.ClusterAddSlotsRange(ctx, i*8192, i*8192+8191).Err(); err != nil {
			return nil, err
		}
		if err := node.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return nil, err
		}
		addresses, nodes = append(addresses, address), append(nodes, node)
	}
	host, port, _ := net.SplitHostPort(addresses[1])
	if err := nodes[0].ClusterMeet(ctx, host, port).Err(); err != nil {
		return nil, err
	}
	for range 6000 {
		ready := 0
		for _, node := range nodes {
			shards, err := node.ClusterShards(ctx).Result()
			if err != nil {
				return nil, err
			}
			info, err := node.ClusterInfo(ctx).Result()
			if err != nil {
				return nil, err
			}
			if len(shards) == 2 && len(info) > 16 && info[:16] == "cluster_state:ok" {
				ready++
			}
		}
		if ready == len(nodes) {
			return addresses, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.New("the cluster does not come up")
}

func endServers() {
	servers.Lock()
	defer servers.Unlock()
	for _, process := range servers.processes {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
	if servers.folder != "" {
		_ = os.RemoveAll(servers.folder)
	}
}
