package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/bench/clients"
)

// movableClock builds the server with a system clock that can be moved: SIGUSR1 sets
// it an hour ahead, SIGUSR2 an hour back, SIGWINCH to the real time. The clock of
// the machine is shared, so the tests do not change it. The overlay adds an offset
// to the wall clock of package time, and leaves the monotonic clock unchanged: the
// same effect as setting the clock while the server runs.
func movableClock(t *testing.T) (binary string) {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	// Files of a toolchain in the module cache may not be replaced, so it is used
	// under another path.
	goroot := filepath.Join(dir, "goroot")
	if err := os.Symlink(strings.TrimSpace(string(root)), goroot); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(goroot, "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const call = "sec, nsec, mono := runtimeNow()\n"
	moved := bytes.ReplaceAll(text, []byte(call), []byte(call+"\tsec += movedBy.Load()\n"))
	if bytes.Equal(moved, text) {
		t.Fatalf("%s no longer asks for the time as this test expects: look for the call of runtimeNow in time.Now", source)
	}
	command, err := filepath.Abs("../../cmd/sluice")
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]string{}
	for replaced, content := range map[string]string{
		source: string(moved),
		filepath.Join(filepath.Dir(source), "zmoved.go"): `package time

import "sync/atomic"

var movedBy atomic.Int64 // seconds

// MoveClock has the clock on the wall go so much ahead.
func MoveClock(d Duration) { movedBy.Store(int64(d / Second)) }
`,
		filepath.Join(command, "zmoved.go"): `package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

func init() {
	move := make(chan os.Signal, 1)
	signal.Notify(move, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	go func() {
		for s := range move {
			time.MoveClock(map[os.Signal]time.Duration{syscall.SIGUSR1: time.Hour, syscall.SIGUSR2: -time.Hour}[s])
		}
	}()
}
`,
	} {
		file := filepath.Join(dir, fmt.Sprintf("%d.go", len(overlay)))
		write(t, file, content)
		overlay[replaced] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), string(list))
	binary = filepath.Join(dir, "sluice")
	build := exec.CommandContext(t.Context(), filepath.Join(goroot, "bin", "go"), "build", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "sluice/cmd/sluice")
	build.Env = append(os.Environ(), "GOROOT="+goroot, "GOTOOLCHAIN=local")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build sluice with a clock that can be moved: %v: %s", err, out)
	}
	return binary
}

// TestTheClockIsMoved is about promises 1, 4 and 9: while the clock of a server is
// set an hour ahead, an hour back and right again, its sessions must stay open, with
// their pings and heartbeats, records must arrive as soon as before, acks must be
// stored, and a client with a cursor must resume there.
func TestTheClockIsMoved(t *testing.T) {
	t.Parallel()
	servers(t)
	binary := movableClock(t)
	topic(t, "clock", 1)
	i := sluice(t, setup{
		binary:  binary,
		streams: map[string]string{"clock": "clock"},
		limits:  "ping_every: 4s, pong_within: 4s, first_message_auth: 10s",
	})
	ctx := within(t, 2*time.Minute)
	both := token(t, "both", "reader", "writer")
	o := startOthers(ctx, t, i, "clock", 20, 100)
	acks := startAcker(ctx, t, i, "clock", "kept")
	pause(ctx, 3*time.Second)
	before, _ := o.late.take()
	cursor := i.cursorNow(ctx, t, "clock", both)

	for _, move := range []struct {
		what   string
		signal syscall.Signal
		by     time.Duration
	}{
		{"an hour ahead", syscall.SIGUSR1, time.Hour},
		{"an hour back", syscall.SIGUSR2, -time.Hour},
		{"right again", syscall.SIGWINCH, 0},
	} {
		if err := i.Signal(move.signal); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, "the clock is "+move.what, func() error {
			if by := i.clock(ctx, t); by < move.by-time.Minute || by > move.by+time.Minute {
				return fmt.Errorf("it is %v ahead", by)
			}
			return nil
		})
		o.late.take()
		pause(ctx, 9*time.Second) // covers pings, and the reaction to missing pongs
		o.unharmed(ctx, t, "with the clock "+move.what, before)
		acks.awaitAck(ctx, t)
		if status := i.stores(ctx, t, "clock", both); status != http.StatusOK {
			t.Errorf("with the clock %s a record is answered with %d", move.what, status)
		}
		page, err := get(ctx, "http://"+i.addr+"/v1/streams/clock/records?limit=1&from="+cursor, both)
		if err != nil || strings.Contains(page, `"gap"`) || !strings.Contains(page, `"type":"event"`) {
			t.Errorf("with the clock %s a cursor is answered with %v %s", move.what, err, page)
		}
		cursor = i.cursorNow(ctx, t, "clock", both)
		for _, over := range []clients.Transport{clients.OverSSE, clients.OverWS} { // new clients
			o.add(ctx, t, newWitness(t, fmt.Sprintf("clock-%s-%v", over, move.by), over, "clock", 1, nil, i))
		}
	}
	acks.end()
	o.done(ctx, t, "clock")
}

// clock returns how far the server's clock is ahead.
func (i *instance) clock(ctx context.Context, t *testing.T) time.Duration {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.admin+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	says, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(says)
}

// cursorNow returns a cursor at the tip.
func (i *instance) cursorNow(ctx context.Context, t *testing.T, stream, bearer string) string {
	t.Helper()
	page, err := get(ctx, "http://"+i.addr+"/v1/streams/"+stream+"/records?from=latest&limit=1", bearer)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Cursor string }
	if err := json.Unmarshal([]byte(page), &answer); err != nil || answer.Cursor == "" {
		t.Fatalf("%s: %v", page, err)
	}
	return answer.Cursor
}

// stores publishes a record and returns the status of the response.
func (i *instance) stores(ctx context.Context, t *testing.T, stream, bearer string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+i.addr+"/v1/streams/"+stream+"/records", strings.NewReader(`{"data":{"n":-1}}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
