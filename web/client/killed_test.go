package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/bench/stack"
)

// listens says whether something listens at an address.
func listens(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// process has the server be a process of its own from now on, which can be killed.
func (w *world) process() *stack.Server {
	w.t.Helper()
	w.stop()
	program, err := stack.Build(w.t.Context(), w.t.TempDir(), false)
	if err != nil {
		w.t.Fatal(err)
	}
	addr, err := stack.FreeAddr()
	if err != nil {
		w.t.Fatal(err)
	}
	server := stack.NewServer(stack.Command{
		Name: "sluice", Dir: w.t.TempDir(), Args: []string{program, "serve", "--config", w.file, "--set", "listen=" + addr},
		Ready: listens(addr),
	})
	if err := server.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.address.Store(addr)
	w.stop = sync.OnceFunc(func() {
		if err := server.Stop(); err != nil {
			w.t.Error(err)
		}
	})
	return server
}

// runs is a run of testdata/follow.js.
type runs struct {
	name string

	mu   sync.Mutex
	seen map[string]map[int64]int // by transports, and number of the record
	by   map[string]string        // the transport of the last record, by transports
	next map[string]int64         // by transports and partition
	more []string                 // what else it printed
}

// follow starts testdata/follow.js.
func (r runtime) follow(t *testing.T, url string) *runs {
	t.Helper()
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "client"))
	script, err := os.ReadFile("testdata/follow.js")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "main.js", string(script))
	write(t, dir, "package.json", `{"type":"module"}`)
	cmd := r.command(t, "main.js", url)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &runs{name: r.name, seen: map[string]map[int64]int{}, by: map[string]string{}, next: map[string]int64{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.take(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s wrote %.2000s", r.name, errs.String()) // Bun writes of every stream in gzip that is cut
		}
	})
	return f
}

func (f *runs) take(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var m struct {
		Transports []string
		By         string
		Partition  int
		Offset     int64
		N          *int64
	}
	if err := json.Unmarshal(line, &m); err != nil || m.N == nil {
		f.more = append(f.more, string(line))
		return
	}
	name := strings.Join(m.Transports, " ")
	if f.seen[name] == nil {
		f.seen[name] = map[int64]int{}
	}
	f.seen[name][*m.N]++
	f.by[name] = m.By
	place := fmt.Sprintf("%s %d", name, m.Partition)
	if m.Offset != f.next[place] {
		f.more = append(f.more, fmt.Sprintf("%s after %d", line, f.next[place]-1))
	}
	f.next[place] = m.Offset + 1
}

// least returns how many records have come by each of the transports.
func (f *runs) least() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) < 3 {
		return 0
	}
	least := int64(1 << 62)
	for _, seen := range f.seen {
		least = min(least, int64(len(seen)))
	}
	return least
}

// TestServerIsKilled: pages and programs have each record once, in order, while the server is
// killed again and again.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	ctx, origin := browser(t, t.TempDir())
	w := newWorld(t, origin)
	server := w.process()
	w.visit(ctx, t, "sluice.js")
	stop := w.produce("orders", 5*time.Millisecond)
	url := "http://" + w.wire.Addr().String()
	var all []*runs
	for _, r := range append(runtimes, node) {
		all = append(all, r.follow(t, url))
	}
	evaluate(ctx, t, `
const backoff = {min: 50, max: 500};
window.orders = follow(client.connect(at, {backoff}), "orders", {from: "earliest"});
window.events = follow(client.connect(at, {backoff, transports: ["sse"]}), "orders", {from: "earliest"});
window.paged = follow(client.connect(at, {backoff, transports: ["pages"]}), "orders", {from: "earliest"});
results.following = true`)
	// goes on waits until all have more records than they had.
	goesOn := func() {
		t.Helper()
		before := make([]int64, len(all))
		for i, f := range all {
			before[i] = f.least()
		}
		evaluate(ctx, t, `window.before = [orders.count, events.count, paged.count]`)
		until(ctx, t, `window.before && [orders.count, events.count, paged.count].every((n, i) => n > before[i] + 5)`)
		for i, f := range all {
			f.until(t, before[i]+5)
		}
	}
	until(ctx, t, "results.following")
	goesOn()
	for range 2 {
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		goesOn()
	}
	n := stop()
	for _, name := range []string{"orders", "events", "paged"} {
		whole(ctx, t, name, n)
	}
	for _, f := range all {
		f.whole(t, n)
	}
	t.Logf("%d records", n)
}

func (f *runs) until(t *testing.T, least int64) {
	t.Helper()
	for deadline := time.Now().Add(2 * soon); f.least() < least; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.mu.Lock()
			defer f.mu.Unlock()
			t.Fatalf("%s has %d records by %v, want %d: %.1000q", f.name, len(f.seen), f.by, least, f.more)
		}
	}
}

// whole looks for faults in what has come, when all of it has.
func (f *runs) whole(t *testing.T, count int64) {
	t.Helper()
	f.until(t, count)
	f.mu.Lock()
	defer f.mu.Unlock()
	for transports, seen := range f.seen {
		for n := range count {
			if seen[n] != 1 {
				t.Errorf("%s by %s has record %d %d times", f.name, transports, n, seen[n])
			}
		}
	}
	if len(f.more) > 0 {
		t.Errorf("%s printed %.2000q", f.name, f.more)
	}
	// A fetch that has no stream of what comes is given up for pages.
	want := map[string]string{"websocket": "websocket", "sse pages": "sse", "pages": "pages"}
	if f.name == "React Native" {
		want["sse pages"] = "pages"
	}
	if !maps.Equal(f.by, want) {
		t.Errorf("%s has records by %v, want %v", f.name, f.by, want)
	}
}
