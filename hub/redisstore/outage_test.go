package redisstore_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
	"sluice/hub/redisstore"
)

// calls returns every method that calls Redis.
func calls(store *redisstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"load":   func(ctx context.Context) error { _, err := store.Load(ctx, name); return err },
		"take":   func(ctx context.Context) error { _, err := store.Take(ctx, name); return err },
		"delete": func(ctx context.Context) error { return store.Delete(ctx, name) },
		"check":  store.Check,
		"commit": func(ctx context.Context) error {
			return store.Commit(ctx, []cursors.Commit{commitOf(at(oldTopic, 0, 1, 0)), commitOf(at(oldTopic, 0, 2, 0))})[1].Err
		},
	}
}

func TestRedisDownFailsSoon(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	f.mustCommit(t, commitOf(at(oldTopic, 0, 7, 0)))
	server.Close()
	for range 20 {
		for what, call := range calls(f.Store) {
			if err := call(ctx); !errors.Is(err, cursors.ErrStoreUnavailable) {
				t.Fatalf("%s: %v, want ErrStoreUnavailable", what, err)
			}
		}
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	// The breaker lets a call through within about a second.
	for deadline := time.Now().Add(time.Minute); f.Check(ctx) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("not back in time")
		}
		time.Sleep(20 * time.Millisecond)
	}
	f.want(t, name, at(oldTopic, 0, 7, 0))
}

// A Redis that accepts connections and never answers costs three timeouts in
// total, and one more each time that the breaker lets a call through; not fifty.
func TestSilentRedisOpensTheBreaker(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	store := open(t, redisstore.Config{
		Redis: redis.UniversalOptions{Addrs: []string{listener.Addr().String()}},
		TTL:   time.Hour, Timeout: time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	start := time.Now()
	for range 10 {
		for what, call := range calls(store) {
			if err := call(ctx); !errors.Is(err, cursors.ErrStoreUnavailable) {
				t.Fatalf("%s: %v, want ErrStoreUnavailable", what, err)
			}
		}
	}
	if took := time.Since(start); took > 25*time.Second {
		t.Fatalf("50 calls took %v", took)
	}
}

// TestRefusedCallsSayWhatIsWrong: a call that the breaker refuses says what the last one has failed for, as
// it may be the first that somebody sees.
func TestRefusedCallsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	store := open(t, redisstore.Config{
		Redis: redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}},
		TTL:   time.Hour, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
	})
	for range 10 {
		for what, call := range calls(store) {
			if err := call(ctx); !errors.Is(err, cursors.ErrStoreUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1: connect: connection refused") {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
}

// TestManyCommitsWithASilentRedis: those behind the call that has failed do not wait for another
// timeout each.
func TestManyCommitsWithASilentRedis(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var dialled atomic.Int64 // a connection on which a call has failed is not used again
	store := open(t, redisstore.Config{
		Redis: redis.UniversalOptions{Addrs: []string{listener.Addr().String()}, Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}},
		TTL: time.Hour, Timeout: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	for n, err := range errorsOf(store.Commit(ctx, manyCommits(2000))) {
		if !errors.Is(err, cursors.ErrStoreUnavailable) {
			t.Fatalf("commit %d: %v", n, err)
		}
	}
	// The pool may dial one more for a call that waits. There would be 32 calls of 64 commits.
	if n := dialled.Load(); n > 2 {
		t.Errorf("%d calls were tried", n)
	}
}

// TestManyCommitsWithSlowScripts: as long as a script is answered at all, many commits are
// stored, and not refused together for as long as there are as many.
func TestManyCommitsWithSlowScripts(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ commits, names int }{
		"names without a limit": {commits: 500},
		"names that are new":    {commits: 200, names: 1000},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			slow := miniredis.RunT(t)
			config := newFixture(t, redis.UniversalOptions{Addrs: []string{slow.Addr()}}).config
			config.Timeout, config.Names = 8*time.Second, test.names
			store := open(t, config)
			slow.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
				if strings.HasPrefix(command, "EVAL") {
					time.Sleep(20 * time.Millisecond) // at least 10 s for all; a busy machine adds its own time to each
				}
				return false
			})
			for n, err := range errorsOf(store.Commit(ctx, manyCommits(test.commits))) {
				if err != nil {
					t.Fatalf("commit %d: %v", n, err)
				}
			}
		})
	}
}

// manyCommits returns commits of as many names.
func manyCommits(n int) []cursors.Commit {
	commits := make([]cursors.Commit, n)
	for i := range commits {
		commits[i] = commitOf(at(oldTopic, 0, 1, 0))
		commits[i].Key = named("u", i)
	}
	return commits
}

func TestCallerWhoGivesUpDoesNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}})
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for range 10 {
		for what, call := range calls(f.Store) {
			if err := call(gone); !errors.Is(err, context.Canceled) || errors.Is(err, cursors.ErrStoreUnavailable) {
				t.Fatalf("%s: %v, want the context's error", what, err)
			}
		}
	}
	if err := f.Check(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRefusalIsUnavailableAndDoesNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	server.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	for range 5 {
		for what, call := range calls(f.Store) {
			err := call(ctx)
			if !errors.Is(err, cursors.ErrStoreUnavailable) || !strings.Contains(err.Error(), "OOM") {
				t.Fatalf("%s: %v, want ErrStoreUnavailable with its cause", what, err)
			}
		}
	}
	server.SetError("")
	f.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))
}

func TestPassword(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	server.RequireUserAuth("sluice", "secret")
	newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}, Username: "sluice", Password: "secret"}).
		mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))
	wrong := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}, Username: "sluice", Password: "guess"})
	if err := wrong.Check(ctx); !errors.Is(err, cursors.ErrStoreUnavailable) || strings.Contains(err.Error(), "guess") {
		t.Fatalf("wrong password: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	whole := redisstore.Config{
		Redis: redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}},
		TTL:   time.Hour, Timeout: time.Second, Logger: slog.Default(),
	}
	for what, spoil := range map[string]func(*redisstore.Config){
		"no address": func(c *redisstore.Config) { c.Redis.Addrs = nil },
		"hash tag":   func(c *redisstore.Config) { c.Prefix = "{a}" },
		"no ttl":     func(c *redisstore.Config) { c.TTL = 0 },
		"no timeout": func(c *redisstore.Config) { c.Timeout = 0 },
		"no logger":  func(c *redisstore.Config) { c.Logger = nil },
	} {
		config := whole
		spoil(&config)
		if _, err := redisstore.New(config); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	open(t, whole)
}

func TestTakesAreTold(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		heard := listen(t, open(t, f.config))
		odd := cursors.Key{Principal: "a b/{c}", Stream: "s:1", Name: "ü%"}
		for _, n := range []cursors.Key{name, odd} {
			fence := heard.takeUntilTold(t, f.Store, n)
			if got := heard.last.Load(); got.name != n || got.fence != fence {
				t.Fatalf("told %+v, want %+v with fence %d", got, n, fence)
			}
		}
	})
}

type told struct {
	name  cursors.Key
	fence int64
}

type listening struct{ last atomic.Pointer[told] }

// listen runs Superseded until the test ends, and checks that it then returns.
func listen(t *testing.T, store *redisstore.Store) *listening {
	t.Helper()
	l := &listening{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- store.Superseded(ctx, func(t cursors.Taken) { l.last.Store(&told{t.Key, t.Fence}) }, func() {})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Superseded: %v, want the context's error", err)
			}
		case <-time.After(time.Minute):
			t.Error("Superseded did not return")
		}
	})
	return l
}

// takeUntilTold takes a name until the listener, which may still be connecting,
// reports it, and returns the reported fence.
func (l *listening) takeUntilTold(t *testing.T, store *redisstore.Store, name cursors.Key) int64 {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		taken, err := store.Take(ctx, name)
		if err == nil || errors.Is(err, cursors.ErrNoCursor) {
			for range 20 {
				if got := l.last.Load(); got != nil && got.fence == taken.Fence {
					return taken.Fence
				}
				time.Sleep(2 * time.Millisecond)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not told")
	return 0
}

func TestTakesAreToldAgainAfterAnOutage(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	refused, config := make(chan struct{}, 1), f.config
	config.Redis.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
		return conn, err
	}
	heard := listen(t, open(t, config))
	first := heard.takeUntilTold(t, f.Store, name)
	server.Publish(f.config.Prefix+"cursor.taken", "no name and no fence")
	server.Close()
	select {
	case <-refused:
	case <-time.After(time.Minute):
		t.Fatal("the listener did not try to connect again")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if second := heard.takeUntilTold(t, f.Store, name); second <= first {
		t.Fatalf("told fence %d after %d", second, first)
	}
}

// TestTakesThatWereMissedAreTold: the holder of a name that another instance took
// while takes were not heard is notified when they are heard again, even without
// an ack.
func TestTakesThatWereMissedAreTold(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	mute := &muteStore{Store: f.Store, end: make(chan struct{})}
	committer, err := cursors.NewCommitter(mute, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = committer.Run(running) })
	defer tasks.Wait()
	defer cancel()
	lost := make(chan *cursors.Lease, 1)
	_, held, err := committer.Take(ctx, name, func(h *cursors.Lease) { lost <- h })
	if !errors.Is(err, cursors.ErrNoCursor) {
		t.Fatal(err)
	}
	if _, err := f.Take(ctx, name); !errors.Is(err, cursors.ErrNoCursor) {
		t.Fatal(err) // by another instance
	}
	other := cursors.Key{Principal: "p", Stream: "s", Name: "kept"}
	_, kept, err := committer.Take(ctx, other, func(*cursors.Lease) {})
	if !errors.Is(err, cursors.ErrNoCursor) || held.Superseded() {
		t.Fatal("it was told at once: ", err)
	}
	close(mute.end)
	if got := <-lost; got != held || kept.Superseded() {
		t.Errorf("told was %p, want %p; the other one is superseded: %v", got, held, kept.Superseded())
	}
}

// muteStore reports no takes until end is closed.
type muteStore struct {
	cursors.Store
	end chan struct{}
}

func (s *muteStore) Superseded(ctx context.Context, told func(cursors.Taken), heard func()) error {
	select {
	case <-s.end:
		return s.Store.Superseded(ctx, told, heard)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A real server that is killed, started again without its data, and stopped.
func TestRealServerKilledPausedAndEmpty(t *testing.T) {
	t.Parallel()
	needsRealRedis(t)
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	address, err := startServerAt(port)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{address}})
	f.config.Timeout = 3 * time.Second
	f.Store = open(t, f.config)
	heard := listen(t, open(t, f.config))
	fence := heard.takeUntilTold(t, f.Store, name)
	own := cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 7, 0), At: noon}, Fence: fence}
	f.mustCommit(t, own)

	process := processAt(t, address)
	signal := func(s syscall.Signal) {
		if err := process.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	for range 5 {
		if err := f.Commit(ctx, []cursors.Commit{own})[0].Err; !errors.Is(err, cursors.ErrStoreUnavailable) {
			t.Fatalf("commit to a stopped server: %v", err)
		}
	}
	signal(syscall.SIGCONT)
	untilStored(t, f.Store, own)

	signal(syscall.SIGKILL)
	if err := f.Commit(ctx, []cursors.Commit{own})[0].Err; !errors.Is(err, cursors.ErrStoreUnavailable) {
		t.Fatalf("commit to a dead server: %v", err)
	}
	if _, err := startServerAt(port); err != nil {
		t.Fatal(err)
	}
	untilStored(t, f.Store, own)
	f.want(t, name, own.Position)
	if again := heard.takeUntilTold(t, f.Store, name); again <= fence {
		t.Fatalf("fence %d after %d", again, fence)
	}
}

func untilStored(t *testing.T, store *redisstore.Store, commit cursors.Commit) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := store.Commit(ctx, []cursors.Commit{commit})[0].Err
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not stored in time: %v", err)
		}
	}
}

// processAt returns the server that this package started last on an address.
func processAt(t *testing.T, address string) *exec.Cmd {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	servers.Lock()
	defer servers.Unlock()
	for _, process := range servers.processes {
		if process.Args[2] == port {
			return process
		}
	}
	t.Fatalf("no server on %s", address)
	return nil
}
