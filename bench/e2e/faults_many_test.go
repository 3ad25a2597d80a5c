package e2e_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/bench/clients"
)

// others are subscribers whose deliveries are measured while clients misbehave.
type others struct {
	crowd
	flow *flow
	late lags
}

// startOthers subscribes n of them to a stream that gets perSecond records per
// second.
func startOthers(ctx context.Context, t *testing.T, i *instance, stream string, n, perSecond int) *others {
	t.Helper()
	o := &others{flow: startFlow(ctx, t, stream, perSecond)}
	for k := range n {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[k%2]
		w := newWitness(t, fmt.Sprintf("%s-%d", stream, k), over, stream, 1, o.flow, i)
		see := w.Watch
		w.Watch = func(m *clients.Message) {
			if m.Kind == "event" {
				o.late.note(o.flow.lag(m))
			}
			see(m)
		}
		o.add(ctx, t, w)
	}
	o.await(ctx, t, perSecond)
	o.late.take()
	return o
}

// unharmed checks that the others receive what is stored by now while the
// misbehaving clients are connected. The latency is only logged; its limits are
// checked by the benchmarks, on a machine that does nothing else.
func (o *others) unharmed(ctx context.Context, t *testing.T, what string, before time.Duration) {
	t.Helper()
	o.await(ctx, t, o.flow.count())
	during, n := o.late.take()
	t.Logf("%s: p99 %v before, %v during, of %d records", what, before, during, n)
	if n == 0 {
		t.Errorf("%s: nothing came to the others", what)
	}
}

// done ends the writing and checks what the others have received.
func (o *others) done(ctx context.Context, t *testing.T, stream string) {
	t.Helper()
	o.flow.end()
	writeEnds(ctx, t, stream, 1)
	log := readLog(ctx, t, stream, 1).Log
	o.running.Wait()
	judge(t, log, o.subscribers())
	o.stayed(t)
}

// TestHostileConnectionsHarmNobody is about promises 10 and 11: thousands of sockets
// that never authenticate, request heads and bodies that trickle, and clients that
// close their side without a reset must each be closed within their limit, while
// other clients' deliveries continue as before.
func TestHostileConnectionsHarmNobody(t *testing.T) {
	const heads, bodies, halves = 200, 100, 50
	sockets := 3_000
	if *long {
		sockets = 10_000
	}
	topic(t, "hostile", 1)
	i := sluice(t, setup{
		streams: map[string]string{"hostile": "hostile"},
		limits:  "first_message_auth: 3s, request_header: 2s, message_assembly: 2s",
	})
	ctx := within(t, 90*time.Second)
	o := startOthers(ctx, t, i, "hostile", 20, 50)
	pause(ctx, 3*time.Second)
	before, _ := o.late.take()
	resident := residentOf(t, i.Server)

	var hostile sync.WaitGroup
	began := time.Now()
	var closed, slowHeads, slowBodies, gone atomic.Int64
	mute := make([]*plain, sockets)
	for n := range mute {
		mute[n] = dialPlain(ctx, t, i.addr, false)
		mute[n].websocket(t, "", "")
		hostile.Go(func() {
			last, _, err := mute[n].drained()
			if err == nil && strings.Contains(last, `"code":"auth_timeout"`) && closedWith(last, 4502) {
				closed.Add(1)
			}
		})
	}
	opened := time.Since(began)
	most := residentOf(t, i.Server)
	for range heads {
		c := dialPlain(ctx, t, i.addr, false)
		hostile.Go(func() { // slowloris
			trickle(c, "GET /v1/streams HTTP/1.1\r\nHost: sluice\r\nX-Slow: "+strings.Repeat("x", 1_000))
			if _, _, err := c.drained(); !isTimeout(err) {
				slowHeads.Add(1)
			}
		})
	}
	bearer := token(t, "hostile", "writer", "reader")
	for range bodies {
		c := dialPlain(ctx, t, i.addr, false)
		head := fmt.Sprintf("POST /v1/streams/hostile/records HTTP/1.1\r\nHost: sluice\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", bearer)
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
		hostile.Go(func() {
			trickle(c, `{"data":"`+strings.Repeat("x", 980))
			if last, _, err := c.drained(); !isTimeout(err) && !strings.Contains(last, " 200 OK") {
				slowBodies.Add(1)
			}
		})
	}
	for n := range halves {
		c := dialPlain(ctx, t, i.addr, false)
		own := token(t, fmt.Sprint("half-", n), "reader")
		if n%2 == 0 {
			c.websocket(t, "stream=hostile", own)
		} else {
			c.asks(t, http.StatusOK, "/v1/streams/hostile/events", own)
		}
		hostile.Go(func() { // a FIN and no RST: the other direction is still open
			if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				return
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, _, err := c.drained(); !isTimeout(err) {
				gone.Add(1)
			}
		})
	}
	hostile.Wait()
	t.Logf("%d sockets opened in %v; all was over after %v; memory %d MiB before, %d with them", sockets, opened, time.Since(began), resident>>20, most>>20)
	for what, c := range map[string]struct{ got, want int64 }{
		"sockets that never said who they are were told": {closed.Load(), int64(sockets)},
		"slow heads were ended":                          {slowHeads.Load(), heads},
		"slow bodies were ended":                         {slowBodies.Load(), bodies},
		"sessions whose client had left were ended":      {gone.Load(), halves},
	} {
		if c.got != c.want {
			t.Errorf("%d of %d %s", c.got, c.want, what)
		}
	}
	o.unharmed(ctx, t, "hostile connections", before)
	eventually(ctx, t, "no session of theirs is left", func() error {
		return sampled(ctx, i, `sluice_sessions{protocol="websocket"} 10`)
	})
	o.done(ctx, t, "hostile")
}

// trickle writes a byte at a time, until that fails.
func trickle(c *plain, text string) {
	for n := range len(text) {
		if _, err := io.WriteString(c, text[n:n+1]); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// closedWith reports whether the input ends with a close frame with a code.
func closedWith(last string, code uint16) bool {
	return strings.Contains(last, string(binary.BigEndian.AppendUint16([]byte{'\x88'}, code)[:1])) &&
		strings.Contains(last, string(binary.BigEndian.AppendUint16(nil, code)))
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // drained returns it unwrapped
	return ok && timeout.Timeout()
}

// TestSlowReadersStayWithinTheirMemory is about promise 11 and the memory budget: a
// thousand clients that read next to nothing of 4 MiB per second may cost the server
// no more than its bounds and a little each, and the other clients little time.
// Clients that read one byte per second, and one that reads nothing at all, must be
// disconnected.
func TestSlowReadersStayWithinTheirMemory(t *testing.T) {
	readers, span := 1_000, 8*time.Second
	if *long {
		readers, span = 2_000, 30*time.Second
	}
	const size, perSecond, dripping = 8 << 10, 512, 50
	topic(t, "thick", 1)
	topic(t, "thin", 1)
	i := sluice(t, setup{
		streams: map[string]string{"thin": "thin"},
		more:    "  thick: {topic: thick, content: json, log_bytes: 8MiB}\n",
		limits:  "late_memory: 32MiB, sessions_per_principal: 0, write_progress: 4s",
	})
	ctx := within(t, 2*time.Minute)
	o := startOthers(ctx, t, i, "thin", 20, 50)
	pause(ctx, 3*time.Second)
	before, _ := o.late.take()

	bearer := token(t, "slow", "reader")
	var slow sync.WaitGroup
	stop, cut := make(chan struct{}), make(chan struct{})
	var taken atomic.Int64
	for n := range readers {
		c := dialPlain(ctx, t, i.addr, true)
		c.asks(t, http.StatusOK, "/v1/streams/thick/events", bearer)
		slow.Go(func() {
			from, buf, until := io.Reader(c.lines), make([]byte, 4<<10), stop
			if n < dripping {
				from, buf, until = c.Conn, buf[:1], cut
				defer func() {
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
					if _, _, err := c.drained(); isTimeout(err) {
						t.Error("one who takes a byte a second is not cut off")
					}
				}()
			}
			for {
				select {
				case <-until:
					return
				case <-time.After(time.Second):
				}
				n, err := from.Read(buf)
				if err != nil {
					return
				}
				taken.Add(int64(n))
			}
		})
	}
	never := dialPlain(ctx, t, i.addr, true)
	never.websocket(t, "stream=thick", bearer)
	idle := residentOf(t, i.Server)
	began := time.Now()
	most := idle
	for n := 0; time.Since(began) < span; n++ {
		fillWith(ctx, t, "thick", 1, perSecond/4, size)
		most = max(most, residentOf(t, i.Server))
		pause(ctx, time.Until(began.Add(time.Duration(n+1)*time.Second/4)))
	}
	o.unharmed(ctx, t, "slow readers", before)
	close(stop)
	pause(ctx, 6*time.Second) // clients that read a byte per second have exceeded write_progress by then
	close(cut)
	slow.Wait()
	eventually(ctx, t, "who never reads is cut off", func() error {
		metrics, err := i.ask(ctx, "/metrics")
		if err == nil && !strings.Contains(metrics, `sluice_cut_off_total{reason="no_progress"}`) {
			err = fmt.Errorf("nobody is")
		}
		return err
	})
	// The log, the memory shared by late subscriptions, and twice both for the
	// garbage collector, with 64 KiB for each write.
	budget := idle + 2*(8<<20+32<<20) + 64<<20
	t.Logf("%d slow readers took %d KiB in all; memory %d MiB before, %d at most, with a budget of %d", readers, taken.Load()>>10, idle>>20, most>>20, budget>>20)
	if most > budget {
		t.Errorf("memory went from %d to %d MiB, want %d at most", idle>>20, most>>20, budget>>20)
	}
	if taken.Load() > int64(readers)*int64(span/time.Second)*16<<10 {
		t.Error("they were not slow")
	}
	o.done(ctx, t, "thin")
}

// TestAReaderAroundTheLimit is about promise 1: a client that falls below what is in
// memory and returns to it, repeatedly, must receive everything in order.
func TestAReaderAroundTheLimit(t *testing.T) {
	t.Parallel()
	topic(t, "edge", 1)
	i := sluice(t, setup{more: "  edge: {topic: edge, content: json, log_bytes: 64KiB}\n"})
	ctx := within(t, 60*time.Second)
	flow := startFlow(ctx, t, "edge", 50)
	var running crowd
	for _, over := range []clients.Transport{clients.OverSSE, clients.OverWS} {
		w := newWitness(t, "edge-"+string(over), over, "edge", 1, nil, i)
		n := 0
		w.Rest = func() time.Duration {
			if n++; n%150 == 100 && n < 1_000 {
				return 700 * time.Millisecond
			}
			return 0
		}
		running.add(ctx, t, w)
	}
	for range 12 {
		pause(ctx, 400*time.Millisecond)
		fillWith(ctx, t, "edge", 1, 60, 5_000)
	}
	flow.end()
	writeEnds(ctx, t, "edge", 1)
	log := readLog(ctx, t, "edge", 1).Log
	running.running.Wait()
	judge(t, log, running.subscribers())
	running.stayed(t)
	metrics, err := i.ask(ctx, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(metrics, "\n"+`sluice_stream_slow_total{stream="edge"} `)
	slow := 0
	if _, err := fmt.Sscan(rest, &slow); err != nil || slow < 4 {
		t.Errorf("they fell behind %d times (%v): too few to show anything", slow, err)
	}
	t.Logf("they fell behind %d times", slow)
}

// TestOutOfOpenFiles is about promise 11: without a free file descriptor, existing
// clients must continue, and once descriptors are released new clients must be
// accepted.
func TestOutOfOpenFiles(t *testing.T) {
	t.Parallel()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 2_000 {
		t.Skipf("this process may open %d files, which is too few for the test", limit.Cur)
	}
	topic(t, "files", 1)
	i := sluice(t, setup{streams: map[string]string{"files": "files"}, within: `ulimit -n 256; exec "$@"`, limits: "sessions_per_principal: 0"})
	ctx := within(t, 60*time.Second)
	o := startOthers(ctx, t, i, "files", 10, 50)
	var all []*plain
	for range 600 {
		all = append(all, dialPlain(ctx, t, i.addr, false)) // the kernel accepts those that the server cannot
	}
	pause(ctx, 500*time.Millisecond)
	last := all[len(all)-1]
	if _, err := io.WriteString(last, "GET /v1/streams HTTP/1.1\r\nHost: sluice\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = last.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := last.lines.ReadByte(); !isTimeout(err) {
		t.Errorf("the last of 600 connections is answered (%v): the files did not run out", err)
	}
	o.late.take()
	pause(ctx, 3*time.Second)
	o.unharmed(ctx, t, "without files left", 0)
	for _, c := range all {
		_ = c.Close()
	}
	newcomer := newWitness(t, "files-newcomer", clients.OverWS, "files", 1, nil, i)
	newcomer.Rough = true // its first attempts may fail
	o.add(ctx, t, newcomer)
	eventually(ctx, t, "somebody new gets in", func() error {
		if newcomer.received() == 0 {
			return fmt.Errorf("nothing is received")
		}
		return nil
	})
	o.done(ctx, t, "files")
}
