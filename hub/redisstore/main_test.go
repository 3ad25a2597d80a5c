package redisstore_test

import (
	"flag"
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

	"sluice/hub/cursors"
	"sluice/hub/redisstore"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == seed.DefValue {
		// The same cases each time; -rapid.seed and -rapid.checks try others.
		_ = flag.Set(seed.Name, "7")
	}
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

// backend is a kind of Redis that the suite runs against.
type backend struct {
	name  string
	redis func(*testing.T) redis.UniversalOptions
}

func backends() []backend {
	return []backend{
		{"miniredis", func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}}
		}},
		{"server", func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: []string{realServer(t)}}
		}},
		{"cluster", func(t *testing.T) redis.UniversalOptions {
			return redis.UniversalOptions{Addrs: realCluster(t), IsClusterMode: true}
		}},
	}
}

// onEach runs a test against every kind of Redis that is available.
func onEach(t *testing.T, test func(*testing.T, fixture)) {
	t.Helper()
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			options := b.redis(t)
			test(t, newFixture(t, options))
		})
	}
}

// fixture is a store with a prefix of its own, and a plain client for the same
// Redis.
type fixture struct {
	*redisstore.Store
	plain  redis.UniversalClient
	config redisstore.Config
}

var prefixes atomic.Int64

func newFixture(t *testing.T, options redis.UniversalOptions) fixture {
	t.Helper()
	config := redisstore.Config{
		Redis:   options,
		Prefix:  "test" + strconv.FormatInt(prefixes.Add(1), 10) + ":",
		TTL:     time.Hour,
		Timeout: time.Minute,
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	plain := redis.NewUniversalClient(&options)
	t.Cleanup(func() { _ = plain.Close() })
	return fixture{Store: open(t, config), plain: plain, config: config}
}

func open(t testing.TB, config redisstore.Config) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// The real servers are started by the first test that needs them, and shared.
var (
	servers struct {
		sync.Mutex
		folder    string
		processes []*exec.Cmd
	}
	single  = sync.OnceValues(func() (string, error) { return startServer() })
	cluster = sync.OnceValues(startCluster)
)

func realServer(t testing.TB) string {
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

func needsRealRedis(t testing.TB) {
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
	port, err := freePort()
	if err != nil {
		return "", err
	}
	return startServerAt(port, options...)
}

func startServerAt(port int, options ...string) (string, error) {
	servers.Lock()
	defer servers.Unlock()
	if servers.folder == "" {
		folder, err := os.MkdirTemp("", "redisstore")
		if err != nil {
			return "", err
		}
		servers.folder = folder
	}
	folder := filepath.Join(servers.folder, strconv.Itoa(port))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	args := append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder,
	}, options...)
	process := exec.Command("redis-server", args...)
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

// freePort returns a port that is free and was not returned before, and for which the port 10,000
// above is free too, which a Cluster's nodes use among themselves. Both are below those of outgoing
// connections, so that none of these takes the port of a server that is to be started.
func freePort() (int, error) {
	for range 1000 {
		port := 19000 + rand.IntN(3000)
		if _, given := givenPorts.LoadOrStore(port, true); given {
			continue
		}
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
	return 0, fmt.Errorf("no free pair of ports")
}

var givenPorts sync.Map // by number

// startCluster starts a Cluster of two nodes with half of the slots each.
func startCluster() ([]string, error) {
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
		// Different epochs save the nodes an election about them.
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
			slots, err := node.ClusterShards(ctx).Result()
			if err != nil {
				return nil, err
			}
			info, err := node.ClusterInfo(ctx).Result()
			if err != nil {
				return nil, err
			}
			if len(slots) == 2 && len(info) > 16 && info[:16] == "cluster_state:ok" {
				ready++
			}
		}
		if ready == len(nodes) {
			return addresses, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("the cluster does not come up")
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

func errorsOf(results []cursors.Committed) []error {
	errs := make([]error, len(results))
	for i := range results {
		errs[i] = results[i].Err
	}
	return errs
}
