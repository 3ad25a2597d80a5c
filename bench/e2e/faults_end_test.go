package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// TestSIGTERMWithThousandsOfSessions is about promise 13, with a thousand event
// streams and a thousand WebSockets open, some clients that never answer a close and
// some that never read, and publishes in flight while Kafka hangs: all clients that
// read must be notified and closed, spread over the drain, every publish that was in
// flight must be answered, and the process must exit in time with status 0.
func TestSIGTERMWithThousandsOfSessions(t *testing.T) {
	const (
		partitions = 3
		each       = 1_000 // sessions over each transport
		mute       = 100   // of the WebSockets never answer a close
		deaf       = 50    // never read at all
		timeout    = 30 * time.Second
		spread     = 3 * time.Second
	)
	kafka := servers(t).Brokers[0]
	topic(t, "ends", partitions)
	i := sluice(t, setup{
		streams: map[string]string{"ends": "ends"}, limits: "sessions_per_principal: 0, publish_timeout: 1m",
		// However long it takes until SIGTERM is sent, no publish may fail before.
		kafka: fmt.Sprintf("kafka: {brokers: [%s], produce: {fail_after: 1m}}", kafka.Addr),
		drain: fmt.Sprintf("timeout: %v, spread: %v", timeout, spread),
	})
	ctx := within(t, 90*time.Second)
	bearer := token(t, "ends", "reader", "writer")
	flow := startFlow(ctx, t, "ends", 20)

	var sessions sync.WaitGroup
	ended := make([]time.Time, 2*each)
	note := func(n int, told string, last string, err error) {
		ended[n] = time.Now()
		if err != nil && !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(last, told) {
			t.Errorf("session %d ends with %v, after %q", n, err, last[max(0, len(last)-200):])
		}
	}
	for n := range each {
		stream := dialPlain(ctx, t, i.addr, false)
		stream.asks(t, http.StatusOK, "/v1/streams/ends/events", bearer)
		sessions.Go(func() {
			last, _, err := stream.drained()
			note(2*n, "event: sluice.close", last, err)
		})
		if n < mute {
			socket := dialPlain(ctx, t, i.addr, false)
			socket.websocket(t, "stream=ends", bearer)
			sessions.Go(func() {
				last, _, err := socket.drained()
				note(2*n+1, `"type":"closing"`, last, err)
			})
			continue
		}
		socket, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: i.addr, Token: bearer})
		if err != nil {
			t.Fatal(err)
		}
		if err := socket.Send(ctx, map[string]any{"type": "subscribe", "id": "a", "stream": "ends"}); err != nil {
			t.Fatal(err)
		}
		sessions.Go(func() {
			defer socket.Close()
			var last string
			for {
				text, err := socket.Next(ctx)
				if err != nil {
					note(2*n+1, `"type":"closing"`, last, nil)
					return
				}
				last = string(text)
			}
		})
	}
	for range deaf {
		dialPlain(ctx, t, i.addr, true).websocket(t, "stream=ends&from=earliest", bearer)
	}
	fillWith(ctx, t, "ends", partitions, 50, 5_000) // so that the sockets of clients that never read are full

	// Kafka hangs, with publishes in flight.
	var publishers [30]*inFlight
	for n := range publishers {
		publishers[n] = newInFlight(ctx, t, i, bearer, n)
	}
	if err := kafka.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Resume() })
	for _, p := range publishers {
		p.send(ctx, t)
	}
	pause(ctx, 300*time.Millisecond)
	began := time.Now()
	if err := i.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	pause(ctx, time.Second)
	for _, p := range publishers {
		if n := len(p.answered()); n > 0 {
			t.Errorf("%d publishes are answered while Kafka hangs: they are not in flight", n)
		}
	}
	if err := kafka.Resume(); err != nil {
		t.Fatal(err)
	}
	state, err := i.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("it ended %v after SIGTERM: %v", took, state)
	if !state.Success() || took > 2*timeout {
		t.Errorf("it ended %v after SIGTERM with %v, want 0 and not long after %v", took, state, timeout)
	}
	sessions.Wait()
	first, last := time.Now(), time.Time{}
	for _, at := range ended {
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	t.Logf("sessions were closed %v to %v after SIGTERM", first.Sub(began), last.Sub(began))
	if last.Sub(first) < spread/2 {
		t.Errorf("all sessions were closed within %v, want them spread over %v", last.Sub(first), spread)
	}
	flow.end()
	writeEnds(ctx, t, "ends", partitions)
	log := readLog(ctx, t, "ends", partitions).Log
	var sent []check.Publish
	for n, p := range publishers {
		<-p.done
		answers := p.answered()
		if len(answers) != inFlightEach {
			t.Errorf("publisher %d has %d answers to %d publishes that were in flight", n, len(answers), inFlightEach)
		}
		sent = append(sent, answers...)
	}
	if err := check.Publishers(log, sent).Err(); err != nil {
		t.Error(err)
	}
	stored := 0
	for _, p := range sent {
		if p.Answer == check.Stored {
			stored++
		}
	}
	t.Logf("of %d publishes in flight %d were answered as stored", len(publishers)*inFlightEach, stored)
	if stored < len(sent)/2 {
		t.Errorf("only %d of %d publishes that were in flight are stored", stored, len(sent))
	}
}

// inFlightEach is how many publishes each session has in flight.
const inFlightEach = 10

// inFlight is a session with publishes in flight.
type inFlight struct {
	session *clients.Session
	n       int
	done    chan struct{}

	mu      sync.Mutex
	answers []check.Publish
}

func newInFlight(ctx context.Context, t *testing.T, i *instance, bearer string, n int) *inFlight {
	t.Helper()
	session, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: i.addr, Token: bearer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	p := &inFlight{session: session, n: n, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			text, err := session.Next(ctx)
			if err != nil {
				return
			}
			p.take(gjson.ParseBytes(text))
		}
	}()
	return p
}

func (p *inFlight) take(m gjson.Result) {
	kind, id := m.Get("type").Str, m.Get("id").Str
	if kind != "published" && kind != "error" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key, value := p.record(id)
	answer := check.Publish{Session: fmt.Sprint(p.n), Key: key, Sum: check.Sum([]byte(key), []byte(value))}
	switch {
	case kind == "published":
		answer.Answer, answer.Partition, answer.Offset = check.Stored, int32(m.Get("partition").Int()), m.Get("offset").Int()
	case m.Get("code").Str != "publish_unknown":
		answer.Answer = check.NotStored
	}
	p.answers = append(p.answers, answer)
}

func (p *inFlight) answered() []check.Publish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers
}

func (p *inFlight) record(id string) (key, value string) {
	return fmt.Sprintf("%d-%s", p.n, id), fmt.Sprintf(`{"publisher":%d,"id":%q}`, p.n, id)
}

func (p *inFlight) send(ctx context.Context, t *testing.T) {
	t.Helper()
	for n := range inFlightEach {
		id := fmt.Sprint("p", n)
		key, value := p.record(id)
		err := p.session.Send(ctx, map[string]any{
			"type": "publish", "id": id, "stream": "ends", "key": key, "data": rawJSON(value),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rawJSON is inserted into a message unchanged.
type rawJSON string

// MarshalJSON implements json.Marshaler.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// TestSecondSIGTERMEndsAtOnce: a second signal must end the drain at once.
func TestSecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	topic(t, "twice", 1)
	i := sluice(t, setup{streams: map[string]string{"twice": "twice"}, drain: "timeout: 5m, spread: 5m"})
	ctx := within(t, 30*time.Second)
	bearer := token(t, "twice", "reader")
	for range 20 {
		dialPlain(ctx, t, i.addr, false).websocket(t, "stream=twice", bearer)
	}
	if err := i.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "it drains", func() error {
		if err := i.ready(ctx); err == nil {
			return errors.New("it is ready")
		}
		return nil
	})
	pause(ctx, 500*time.Millisecond)
	if i.Ended() != nil {
		t.Fatal("it ended at the first signal, with sessions that are to be closed over five minutes")
	}
	again := time.Now()
	if err := i.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	state, err := i.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(again); took > 2*time.Minute {
		t.Errorf("it ended %v after the second signal", took)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want the signal", state)
	}
}

// TestAFullDiskStopsNothing: if the log cannot be written, records must still be
// delivered and published, and the process must stop in order.
func TestAFullDiskStopsNothing(t *testing.T) {
	t.Parallel()
	topic(t, "full", 1)
	i := sluice(t, setup{streams: map[string]string{"full": "full"}, within: `exec "$@" >/dev/full 2>&1`})
	ctx := within(t, 30*time.Second)
	all := gather(ctx, t, 2, "full", 1, nil, i)
	p := &clients.Publisher{Session: "full", Stream: "full", Addr: i.addr, Token: token(t, "full", "writer")}
	if err := p.OverHTTP(ctx, 30); err != nil {
		t.Fatal(err)
	}
	// This would be logged: a client that receives an error.
	if _, err := get(ctx, "http://"+i.addr+"/v1/streams/none/records", p.Token); !answers(err, http.StatusNotFound, "unknown_stream") {
		t.Errorf("a stream that does not exist is answered %v", err)
	}
	writeEnds(ctx, t, "full", 1)
	log := readLog(ctx, t, "full", 1).Log
	all.running.Wait()
	judge(t, log, all.subscribers())
	if err := check.Publishers(log, p.Sent()).Err(); err != nil {
		t.Error(err)
	}
	if err := i.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if state, err := i.Wait(ctx); err != nil || !state.Success() {
		t.Errorf("it ends with %v (%v)", state, err)
	}
}
