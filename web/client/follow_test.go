package client_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// follower is a run of testdata/follow.py.
type follower struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	seen map[int64]int // by number of the record
	more []string      // what else it printed
	done chan struct{}
}

func follows(t *testing.T, args ...string) *follower {
	t.Helper()
	cmd, errs := python(t, "testdata/follow.py", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &follower{cmd: cmd, seen: map[int64]int{}, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var partition, offset, n int64
			f.mu.Lock()
			if _, err := fmt.Sscanf(lines.Text(), "event %d %d %d", &partition, &offset, &n); err == nil {
				f.seen[n]++
			} else if !strings.HasPrefix(lines.Text(), "caught_up") {
				f.more = append(f.more, lines.Text())
			}
			f.mu.Unlock()
		}
		_ = cmd.Wait()
		if errs.Len() > 0 {
			t.Errorf("it printed %s", errs)
		}
	}()
	return f
}

func (f *follower) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.seen))
}

// kill ends the program in the middle, and returns what it has seen.
func (f *follower) kill(t *testing.T) map[int64]int {
	t.Helper()
	_ = f.cmd.Process.Kill()
	<-f.done
	for n, times := range f.seen {
		if times > 1 {
			t.Errorf("record %d came %d times", n, times)
		}
	}
	if len(f.more) > 0 {
		t.Errorf("it was also handed %q", f.more)
	}
	return f.seen
}

// TestFaultsInPython: a device has each record once after cuts and restarts of the server,
// with tokens that expire every few seconds; and after it was killed itself, it misses none
// and has those again that came after the position in its file.
func TestFaultsInPython(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"websocket+async", "sse"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http://127.0.0.1")
			tokens, asked := w.tokens(3 * time.Second)
			args := []string{"http://" + w.wire.Addr().String(), tokens, "private", filepath.Join(t.TempDir(), "position"), how}
			stop := w.produce("private", 2*time.Millisecond)
			f := follows(t, args...)
			wait := func(more int64) {
				t.Helper()
				want := f.count() + more
				for end := time.Now().Add(soon); f.count() < want; time.Sleep(10 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d records came, want %d", f.count(), want)
					}
				}
			}
			wait(100)
			w.wire.cut()
			wait(100)
			w.restart()
			wait(100)
			w.wire.set(true)
			time.Sleep(100 * time.Millisecond)
			w.wire.set(false)
			wait(700) // the position is stored each second
			for end := time.Now().Add(soon); asked.Load() < 3 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			}
			before := f.kill(t)
			f = follows(t, args...)
			wait(100)
			count := stop()
			for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				f.mu.Lock()
				_, last := f.seen[count-1]
				f.mu.Unlock()
				if last {
					break
				}
			}
			after := f.kill(t)
			again := 0
			for n := range count {
				switch {
				case before[n] == 0 && after[n] == 0:
					t.Errorf("record %d of %d is lost", n, count)
				case before[n] > 0 && after[n] > 0:
					again++
				}
			}
			if again == len(before) {
				t.Errorf("all %d records came again: the position was not stored", again)
			}
			if asked.Load() < 3 {
				t.Errorf("%d tokens were asked for", asked.Load())
			}
			t.Logf("%d records, %d of them again after the kill, %d tokens", count, again, asked.Load())
		})
	}
}

// TestPythonStoresItsPositionWhileNothingComes: a device that is killed in a quiet hour goes on
// where it was, and not where the stream ends by then.
func TestPythonStoresItsPositionWhileNothingComes(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"websocket", "websocket+async", "sse", "sse+async"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http://127.0.0.1")
			tokens, _ := w.tokens(time.Hour)
			position := filepath.Join(t.TempDir(), "position")
			f := follows(t, "http://"+w.wire.Addr().String(), tokens, "private", position, how)
			for end := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
				if text, err := os.ReadFile(position); err == nil && len(text) > 0 {
					break
				}
				if time.Now().After(end) {
					t.Error("the position is not stored")
					break
				}
			}
			f.kill(t)
		})
	}
}
