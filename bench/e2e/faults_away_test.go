package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// outage is a period without any broker, which several tests share.
type outage struct {
	lasts    time.Duration
	prepared sync.WaitGroup // for tests that must observe its beginning
	// Closed when all brokers are dead, and when all answer again.
	began, over chan struct{}
	// Times, set before the channels are closed: of the kill, of the first start of a
	// broker, and when all answered again.
	struck, mended, back time.Time
}

// TestKafkaIsAway is about promise 12, with all brokers dead for a while.
func TestKafkaIsAway(t *testing.T) {
	away := lasting(20*time.Second, 3*time.Minute)
	kafka := threeBrokers(t)
	ctx := within(t, away+70*time.Second)
	o := &outage{lasts: away, began: make(chan struct{}), over: make(chan struct{})}
	o.prepared.Add(2)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(o.over)
		o.prepared.Wait()
		killBrokers(t, kafka)
		o.struck = time.Now()
		close(o.began)
		pause(ctx, away)
		o.mended = time.Now()
		startBrokers(ctx, t, kafka)
		o.back = time.Now()
	})
	t.Run("parallel", func(t *testing.T) {
		t.Run("SessionsStayAndNothingIsLost", func(t *testing.T) { t.Parallel(); sessionsOutlive(t, o) })
		t.Run("StartsBeforeKafka", func(t *testing.T) { t.Parallel(); startsBefore(t, o) })
	})
	running.Wait()
}

// startsBefore is about an instance that is started while Kafka is unavailable: it
// must report why it is not ready, ask its clients to come back, and work without a
// restart once Kafka is available.
func startsBefore(t *testing.T, o *outage) {
	ctx := within(t, o.lasts+90*time.Second) // brokers take long to start on a busy machine
	func() {
		defer o.prepared.Done()
		topic(t, "early", 2)
		fill(ctx, t, "early", 0, 50)
	}()
	<-o.began
	i := newInstance(t, setup{kafka: knowsOnly(servers(t).Brokers[0]), streams: map[string]string{"early": "early"}, unready: true})
	if err := i.Start(ctx); err != nil {
		t.Fatal(err)
	}
	reader, writer := token(t, "early", "reader"), token(t, "early", "writer")

	var status *clients.StatusError
	if err := i.ready(ctx); !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable {
		t.Fatalf("readyz answers %v, want 503", err)
	}
	t.Logf("readyz: %s", status.Body)
	if why := gjson.Get(status.Body, "checks.kafka default").Str; !strings.Contains(why, "refused") {
		t.Errorf("readyz says of Kafka: %q", why)
	}

	// All at once, because each may wait for Kafka for a while.
	var asking sync.WaitGroup
	publish := &clients.Publisher{Session: "early", Stream: "early", Addr: i.addr, Token: writer, Every: 50 * time.Millisecond}
	asking.Go(func() {
		began := time.Now()
		if err := publish.OverHTTP(ctx, 1); err != nil {
			t.Error(err)
		}
		if publish.Sent()[0].Answer != check.NotStored {
			t.Errorf("a publish is answered %v, want not stored", publish.Sent()[0].Answer)
		}
		t.Logf("a publish was refused after %v", time.Since(began))
	})
	asking.Go(func() {
		began := time.Now()
		_, err := clients.OpenEvents(ctx, clients.EventsRequest{Addr: i.addr, Stream: "early", Token: reader})
		var status *clients.StatusError
		if !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable || gjson.Get(status.Body, "code").Str != "overloaded" {
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

	// A request sent shortly before Kafka is back must be served.
	waits := gather(ctx, t, 1, "early", 2, nil, i)
	<-o.over
	eventually(ctx, t, "it is ready", func() error { return i.ready(ctx) })
	t.Logf("it was ready %v after Kafka", time.Since(o.back))
	awaitStored(ctx, t, publish)
	t.Logf("publishing works %v after Kafka is there", time.Since(o.back))
	writeEnds(ctx, t, "early", 2)
	waits.running.Wait()
	log := readLog(ctx, t, "early", 2).Log
	for _, w := range waits.all {
		w.Remarks = nil // refusals are the subject of the test
	}
	judge(t, log, waits.subscribers())
	if err := check.Publishers(log, publish.Sent()).Err(); err != nil {
		t.Error(err)
	}
}

// awaitStored publishes until a record is stored.
func awaitStored(ctx context.Context, t *testing.T, p *clients.Publisher) {
	t.Helper()
	eventually(ctx, t, "a publish is stored", func() error {
		if err := p.OverHTTP(ctx, len(p.Sent())+1); err != nil {
			t.Fatal(err)
		}
		if p.Sent()[len(p.Sent())-1].Answer != check.Stored {
			return errors.New("it is not")
		}
		return nil
	})
}

// subscribeOnce opens a session, subscribes to the stream early, and returns the
// answer.
func subscribeOnce(ctx context.Context, t *testing.T, i *instance, bearer string, more map[string]any) gjson.Result {
	t.Helper()
	return subscribeTo(ctx, t, i, bearer, "early", more)
}

func subscribeTo(ctx context.Context, t *testing.T, i *instance, bearer, stream string, more map[string]any) gjson.Result {
	t.Helper()
	session, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: i.addr, Token: bearer})
	if err != nil {
		t.Error(err)
		return gjson.Result{}
	}
	defer session.Close()
	subscribe := map[string]any{"type": "subscribe", "id": "a", "stream": stream}
	for name, value := range more {
		subscribe[name] = value
	}
	if err := session.Send(ctx, subscribe); err != nil {
		t.Error(err)
		return gjson.Result{}
	}
	for {
		text, err := session.Next(ctx)
		if err != nil {
			t.Error(err)
			return gjson.Result{}
		}
		if answer := gjson.ParseBytes(bytes.Clone(text)); answer.Get("id").Str == "a" {
			return answer
		}
	}
}

// sessionsOutlive is about sessions that exist when Kafka fails: they must stay open
// and be notified, publishes must fail fast and truthfully, memory must stay flat,
// and nothing may be lost.
func sessionsOutlive(t *testing.T, o *outage) {
	const partitions = 3
	prepared := sync.OnceFunc(o.prepared.Done)
	defer prepared()
	topic(t, "away", partitions)
	i := sluice(t, setup{streams: map[string]string{"away": "away"}})
	ctx := within(t, o.lasts+70*time.Second)
	flow := startFlow(ctx, t, "away", 200)
	all := gather(ctx, t, 10, "away", partitions, flow, i)
	all.await(ctx, t, 200)
	before := residentOf(t, i.Server)

	prepared()
	<-o.began
	struck := o.struck
	health := watchHealth(ctx, i)
	comers := startComers(ctx, t, i, "away")
	p := &clients.Publisher{Session: "away", Stream: "away", Addr: i.addr, Token: token(t, "away", "writer")}
	slowest := time.Duration(0)
	var memory []int64
	for away := true; away; {
		began := time.Now()
		if err := p.OverHTTP(ctx, len(p.Sent())+1); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(began))
		memory = append(memory, residentOf(t, i.Server))
		pause(ctx, 100*time.Millisecond)
		away = time.Since(struck) < o.lasts-time.Second // some of the last second is the brokers' start
	}
	refused := len(p.Sent())
	for n, publish := range p.Sent() {
		if publish.Answer == check.Stored {
			t.Errorf("publish %d is answered as stored", n)
		}
	}
	t.Logf("%d publishes refused, the slowest after %v", refused, slowest)
	// A publish that waited for Kafka would still be in flight when Kafka is back.
	if refused < 3 {
		t.Errorf("only %d publishes were refused while Kafka was away: that is not fast", refused)
	}
	flat(t, before, memory)
	if n := comers.end(); n == 0 {
		t.Error("no client came meanwhile")
	} else {
		t.Logf("%d clients came and went meanwhile", n)
	}

	<-o.over
	for _, w := range all.all {
		eventually(ctx, t, w.Name+" is told that it is live", func() error {
			told := w.since(struck)
			if len(told) < 2 || told[len(told)-1].live == false {
				return fmt.Errorf("it was told %v", told)
			}
			return nil
		})
		told := w.since(struck)
		if told[0].live || told[0].at.After(o.mended) {
			t.Errorf("%s was told live=%t %v after Kafka went away, want false while it was", w.Name, told[0].live, told[0].at.Sub(struck))
		}
	}
	t.Logf("told after %v, and that it is back %v after it was", all.all[0].since(struck)[0].at.Sub(struck), time.Since(o.back))
	eventually(ctx, t, "readyz is content", func() error { return i.ready(ctx) })
	health.end()
	told, well := health.since(struck)
	t.Logf("readyz said so after %v, and that all is well %v after it was", told.Sub(struck), well.Sub(o.back))
	if told.IsZero() || told.After(o.mended) {
		t.Errorf("readyz said so only after %v, want while Kafka was away", told.Sub(struck))
	}
	awaitStored(ctx, t, p)
	t.Logf("a publish was stored %v after Kafka was back", time.Since(o.back))
	flow.end()
	t.Logf("nothing could be written for up to %v; lag %v", flow.longest, all.takeLag())
	writeEnds(ctx, t, "away", partitions)
	contents := readLog(ctx, t, "away", partitions)
	all.running.Wait()
	judge(t, contents.Log, all.subscribers())
	all.stayed(t)
	if err := check.Publishers(contents.Log, p.Sent()).Err(); err != nil {
		t.Error(err)
	}
}
