package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/bench/check"
	"sluice/bench/stack"
)

// TestStartsBeforeKafka is about promise 12: an instance that is started while
// Kafka is away says why it is not ready, tells its clients to come back, and
// works without a restart when Kafka is there.
func TestStartsBeforeKafka(t *testing.T) {
	kafka := threeBrokers(t)
	topic(t, "early", 2)
	ctx := within(t, 60*time.Second)
	fill(ctx, t, "early", 0, 50)
	killBrokers(t, kafka)
	t.Cleanup(func() { startBrokers(context.WithoutCancel(ctx), t, kafka) })
	i := newInstance(t, setup{streams: map[string]string{"early": "early"}, unready: true})
	if err := i.Start(ctx); err != nil {
		t.Fatal(err)
	}
	reader, writer := token(t, "early", "reader"), token(t, "early", "writer")

	var status *statusError
	if err := i.ready(ctx); !errors.As(err, &status) || status.status != http.StatusServiceUnavailable {
		t.Fatalf("readyz answers %v, want 503", err)
	}
	t.Logf("readyz: %s", status.body)
	if why := gjson.Get(status.body, "checks.kafka default").Str; !strings.Contains(why, "refused") {
		t.Errorf("readyz says of Kafka: %q", why)
	}

	publish := &publisher{session: "early", stream: "early", at: i, token: writer}
	began := time.Now()
	if err := publish.overHTTP(ctx, 1); err != nil {
		t.Error(err)
	}
	if publish.sent[0].Answer != check.NotStored {
		t.Errorf("a publish is answered %v, want not stored", publish.sent[0].Answer)
	}
	t.Logf("a publish was refused after %v", time.Since(began))

	// Over both transports at once, as each may wait for Kafka for a while.
	var asking sync.WaitGroup
	asking.Go(func() {
		began := time.Now()
		_, err := openSSE(ctx, sseRequest{addr: i.addr, stream: "early", token: reader})
		var status *statusError
		if !errors.As(err, &status) || status.status != http.StatusServiceUnavailable || gjson.Get(status.body, "code").Str != "overloaded" {
			t.Errorf("SSE is answered %v, want 503 overloaded", err)
		}
		t.Logf("SSE was refused after %v: %v", time.Since(began), err)
	})
	asking.Go(func() {
		began := time.Now()
		answer := subscribeOnce(ctx, t, i, reader, nil)
		if answer.Get("type").Str != "error" || answer.Get("code").Str != "overloaded" || !answer.Get("retryable").Bool() {
			t.Errorf("WebSocket is answered %s, want overloaded, retryable", answer.Raw)
		}
		t.Logf("WebSocket was refused after %v: %s", time.Since(began), answer.Raw)
	})
	asking.Wait()

	// Who asks shortly before Kafka comes gets what it asked for.
	waits := gather(ctx, t, 1, "early", 2, nil, i)
	began = time.Now()
	startBrokers(ctx, t, kafka)
	t.Logf("Kafka was started in %v", time.Since(began))
	began = time.Now()
	eventually(ctx, t, "it is ready", func() error { return i.ready(ctx) })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was ready %v after Kafka, want 5 s at most", took)
	}
	if err := publish.overHTTP(ctx, 2); err != nil {
		t.Error(err)
	}
	writeEnds(ctx, t, "early", 2)
	waits.running.Wait()
	log := readLog(ctx, t, "early", 2).log
	for _, w := range waits.all {
		w.remarks = nil // being refused is what the test is about
	}
	judge(t, log, waits.subscribers())
	if err := check.Publishers(log, publish.sent).Err(); err != nil {
		t.Error(err)
	}
	if publish.sent[1].Answer != check.Stored {
		t.Errorf("with Kafka there, a publish is answered %v", publish.sent[1].Answer)
	}
}

// subscribeOnce opens a session, subscribes, and returns the answer.
func subscribeOnce(ctx context.Context, t *testing.T, i *instance, bearer string, more map[string]any) gjson.Result {
	t.Helper()
	session, err := openWS(ctx, wsRequest{addr: i.addr, token: bearer})
	if err != nil {
		t.Error(err)
		return gjson.Result{}
	}
	defer session.close()
	subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": "early"}
	for name, value := range more {
		subscribe[name] = value
	}
	if err := session.send(ctx, subscribe); err != nil {
		t.Error(err)
		return gjson.Result{}
	}
	for {
		text, err := session.next(ctx)
		if err != nil {
			t.Error(err)
			return gjson.Result{}
		}
		if answer := gjson.ParseBytes(bytes.Clone(text)); answer.Get("id").Str == "a" {
			return answer
		}
	}
}

// TestSessionsOutliveKafka is about promise 12: with all brokers away for
// twenty seconds sessions stay and are told, publishes fail fast and truly,
// memory stays flat, and nothing is lost.
func TestSessionsOutliveKafka(t *testing.T) {
	const (
		partitions = 3
		away       = 20 * time.Second
	)
	kafka := threeBrokers(t)
	topic(t, "away", partitions)
	i := sluice(t, setup{streams: map[string]string{"away": "away"}})
	ctx := within(t, 90*time.Second)
	flow := startFlow(ctx, t, "away", 200)
	all := gather(ctx, t, 10, "away", partitions, flow, i)
	all.await(ctx, t, 200)
	before := residentOf(t, i.Server)

	struck := time.Now()
	killBrokers(t, kafka)
	p := &publisher{session: "away", stream: "away", at: i, token: token(t, "away", "writer")}
	slowest := time.Duration(0)
	most := int64(0)
	for time.Since(struck) < away {
		began := time.Now()
		if err := p.overHTTP(ctx, len(p.sent)+1); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(began))
		most = max(most, residentOf(t, i.Server))
		pause(ctx, 100*time.Millisecond)
	}
	refused := len(p.sent)
	for n, publish := range p.sent {
		if publish.Answer == check.Stored {
			t.Errorf("publish %d is answered as stored", n)
		}
	}
	t.Logf("%d publishes refused, the slowest after %v; resident %d MiB before, %d at most", refused, slowest, before>>20, most>>20)
	if slowest > 3*time.Second {
		t.Errorf("a publish was refused only after %v", slowest)
	}
	if refused < 50 {
		t.Errorf("only %d publishes were refused in %v: that is not fast", refused, away)
	}
	if most > before+32<<20 {
		t.Errorf("memory grew from %d to %d MiB", before>>20, most>>20)
	}

	startBrokers(ctx, t, kafka)
	back := time.Now()
	for _, w := range all.all {
		eventually(ctx, t, w.name+" is told that it is live", func() error {
			told := w.changes()
			if len(told) < 2 || told[len(told)-1].live == false {
				return fmt.Errorf("it was told %v", told)
			}
			return nil
		})
		told := w.changes()
		if took := told[0].at.Sub(struck); told[0].live || took > 3*time.Second {
			t.Errorf("%s was told live=%t %v after Kafka went away, want false within 3 s", w.name, told[0].live, took)
		}
		if took := told[len(told)-1].at.Sub(back); took > 5*time.Second {
			t.Errorf("%s was told live=true %v after Kafka was back", w.name, took)
		}
	}
	t.Logf("told after %v, and that it is back %v after it was", all.all[0].changes()[0].at.Sub(struck), time.Since(back))
	if err := p.overHTTP(ctx, refused+10); err != nil {
		t.Error(err)
	}
	flow.end()
	t.Logf("nothing could be written for up to %v; lag %v", flow.longest, all.takeLag())
	writeEnds(ctx, t, "away", partitions)
	contents := readLog(ctx, t, "away", partitions)
	all.running.Wait()
	judge(t, contents.log, all.subscribers())
	all.stayed(t)
	if err := check.Publishers(contents.log, p.sent).Err(); err != nil {
		t.Error(err)
	}
	if last := p.sent[len(p.sent)-1]; last.Answer != check.Stored {
		t.Errorf("with Kafka back, a publish is answered %v", last.Answer)
	}
}

// residentOf is how much memory a process has, in bytes.
func residentOf(t *testing.T, s *stack.Server) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
