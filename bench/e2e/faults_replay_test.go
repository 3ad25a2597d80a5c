package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/clients"
)

// TestReplayBesideLiveDelivery is about promise 11: many clients read a long history
// at once, one of them with a filter that matches only two of the records, while
// live deliveries to other clients continue.
func TestReplayBesideLiveDelivery(t *testing.T) {
	records, readers := 300_000, 20
	if *long {
		records, readers = 1_000_000, 100
	}
	topic(t, "past", 1)
	topic(t, "present", 1)
	i := sluice(t, setup{
		streams: map[string]string{"present": "present"},
		more:    "  past: {topic: past, content: json, log_bytes: 1MiB}\n",
		limits:  "sessions_per_principal: 0",
	})
	ctx := within(t, 4*time.Minute)
	client := kafkaClient(t, kgo.DefaultProduceTopic("past"), kgo.ProducerBatchCompression(kgo.SnappyCompression()), kgo.MaxBufferedRecords(100_000))
	for n := range records {
		key := fmt.Append(nil, n%1_000)
		if n == 10 || n == records-10 {
			key = []byte("needle")
		}
		client.Produce(ctx, &kgo.Record{Key: key, Value: fmt.Appendf(nil, `{"n":%d}`, n)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	o := startOthers(ctx, t, i, "present", 20, 50)
	pause(ctx, 3*time.Second)
	before, _ := o.late.take()
	resident := residentOf(t, i.Server)
	most := resident

	began := time.Now()
	bearer := token(t, "past", "reader")
	var replays sync.WaitGroup
	for n := range readers {
		replays.Go(func() {
			got, err := countPast(ctx, i, bearer, n, records)
			if err != nil || got != records {
				t.Errorf("replay %d has received %d of %d records in order (%v)", n, got, records, err)
			}
		})
	}
	replays.Go(func() {
		stream, err := clients.OpenEvents(ctx, clients.EventsRequest{
			Addr: i.addr, Stream: "past", Token: bearer, Query: url.Values{"from": {"earliest"}, "key": {"needle"}},
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer stream.Close()
		var found []string
		for len(found) < 2 {
			event, err := stream.Next()
			if err != nil {
				t.Errorf("after %v: %v", found, err)
				return
			}
			if event.Name == "" {
				m, _ := clients.Parse(event.Data)
				found = append(found, strings.Clone(m.Data))
			}
		}
		t.Logf("two records of %d were found after %v", records, time.Since(began))
		if want := []string{`{"n":10}`, fmt.Sprintf(`{"n":%d}`, records-10)}; found[0] != want[0] || found[1] != want[1] {
			t.Errorf("found %v, want %v", found, want)
		}
	})
	over := make(chan struct{})
	go func() { replays.Wait(); close(over) }()
	for done := false; !done; {
		most = max(most, residentOf(t, i.Server))
		select {
		case <-over:
			done = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	took := time.Since(began)
	t.Logf("%d clients had %d records each after %v (%.0f a second in all); memory %d MiB before, %d at most",
		readers, records, took, float64(readers*records)/took.Seconds(), resident>>20, most>>20)
	if most > resident+2*128<<20+64<<20 { // late_memory, twice because of the garbage collector
		t.Errorf("memory went from %d to %d MiB", resident>>20, most>>20)
	}
	o.unharmed(ctx, t, "replays", before)
	o.done(ctx, t, "present")
}

// countPast reads a stream from its beginning as lines, and counts its records,
// which are in order.
func countPast(ctx context.Context, i *instance, bearer string, n, records int) (int, error) {
	stream, err := clients.OpenEvents(ctx, clients.EventsRequest{
		Addr: i.addr, Stream: "past", Token: bearer, Query: url.Values{"from": {"earliest"}}, Lines: true,
	})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	got := 0
	want := []byte(nil)
	for got < records {
		line, err := stream.NextLine()
		if err != nil {
			return got, err
		}
		if !bytes.HasPrefix(line, []byte(`{"type":"event"`)) {
			continue
		}
		if want = append(strconv.AppendInt(append(want[:0], `"offset":`...), int64(got), 10), ','); !bytes.Contains(line, want) {
			return got, fmt.Errorf("client %d: want offset %d: %s", n, got, line)
		}
		// The clients whose latency is measured are in this process too, and must
		// not have to wait for this loop.
		if got++; got%1_000 == 0 {
			pause(ctx, 10*time.Millisecond)
		}
	}
	return got, nil
}

// TestKeysComeAndGo is about promise 11: a hundred thousand subscriptions by key
// come and go, while one key gets all records. Nothing of them may be left, and the
// clients that read that key must receive everything.
func TestKeysComeAndGo(t *testing.T) {
	const sessions, rounds, each = 20, 2, 2_500
	topic(t, "keys", 1)
	i := sluice(t, setup{streams: map[string]string{"keys": "keys"}})
	ctx := within(t, 3*time.Minute)
	hot := startHot(ctx, t, i, "keys")
	for range 100 {
		hot.write(ctx, t)
	}
	var resident [rounds]int64
	began := time.Now()
	for round := range rounds {
		var all sync.WaitGroup
		for n := range sessions {
			all.Go(func() {
				if err := comeAndGo(ctx, i, token(t, fmt.Sprint("keys-", n), "reader"), each, n); err != nil {
					t.Error(err)
				}
			})
		}
		gone := make(chan struct{})
		go func() { all.Wait(); close(gone) }()
		for busy := true; busy; {
			hot.write(ctx, t)
			select {
			case <-gone:
				busy = false
			case <-time.After(10 * time.Millisecond):
			}
		}
		eventually(ctx, t, "the sessions have gone", func() error { return sampled(ctx, i, "sluice_subscriptions 10") })
		pause(ctx, 500*time.Millisecond)
		resident[round] = residentOf(t, i.Server)
	}
	took := time.Since(began)
	of, p99 := sessions*rounds*each, hot.p99()
	t.Logf("%d subscriptions came and went in %v (%.0f a second); memory %d MiB after the first half, %d after the second; p99 of the hot key %v",
		of, took, float64(of)/took.Seconds(), resident[0]>>20, resident[1]>>20, p99)
	if resident[1] > resident[0]+16<<20 {
		t.Errorf("memory grew from %d to %d MiB over as many subscriptions again", resident[0]>>20, resident[1]>>20)
	}
	hot.done(ctx, t)
}

// comeAndGo subscribes to a key and unsubscribes, n times, several at a time.
func comeAndGo(ctx context.Context, i *instance, bearer string, n, who int) error {
	session, err := clients.OpenSession(ctx, clients.SessionRequest{Addr: i.addr, Token: bearer})
	if err != nil {
		return err
	}
	defer session.Close()
	const atOnce = 16
	slots := make(chan struct{}, atOnce)
	failed := make(chan error, 1)
	go func() {
		failed <- func() error {
			for k := range n {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
				for _, text := range []string{
					fmt.Sprintf(`{"type":"subscribe","id":"%d","stream":"keys","key":["%d-%d"]}`, k, who, k),
					fmt.Sprintf(`{"type":"unsubscribe","id":"%d"}`, k),
				} {
					if err := session.Conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
						return err
					}
				}
			}
			return nil
		}()
	}()
	for left := 0; left < n; {
		text, err := session.Next(ctx)
		if err != nil {
			return fmt.Errorf("after %d: %w", left, err)
		}
		switch m, _ := clients.Parse(text); m.Kind {
		case "unsubscribed":
			left++
			<-slots
		case "error", "closing", "event":
			return fmt.Errorf("after %d: %s", left, text)
		}
	}
	return <-failed
}

// hot is one key that gets all records, with ten clients that read it.
type hot struct {
	crowd
	client *kgo.Client
	flow   flow
	late   lags
	n      int
}

func startHot(ctx context.Context, t *testing.T, i *instance, stream string) *hot {
	t.Helper()
	h := &hot{client: kafkaClient(t, kgo.DefaultProduceTopic(stream)), flow: flow{stored: make(map[offsetOf]time.Time)}}
	for k := range 10 {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[k%2]
		w := newWitness(t, fmt.Sprintf("hot-%d", k), over, stream, 1, nil, i)
		w.Keys = []string{"hot"}
		see := w.Watch
		w.Watch = func(m *clients.Message) {
			if m.Kind == "event" {
				h.late.note(h.flow.lag(m))
			}
			see(m)
		}
		h.add(ctx, t, w)
	}
	return h
}

func (h *hot) write(ctx context.Context, t *testing.T) {
	t.Helper()
	record := &kgo.Record{Key: []byte("hot"), Value: fmt.Appendf(nil, `{"n":%d}`, h.n)}
	if err := h.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	h.n++
	h.flow.answered(t)(record, nil)
}

func (h *hot) p99() time.Duration {
	p99, _ := h.late.take()
	return p99
}

func (h *hot) done(ctx context.Context, t *testing.T) {
	t.Helper()
	writeEnds(ctx, t, "keys", 1)
	h.running.Wait()
	for _, w := range h.all {
		if w.received() != h.n+1 || len(w.Remarks) > 0 {
			t.Errorf("%s has received %d of %d records (%v)", w.Name, w.received(), h.n+1, w.Remarks)
		}
	}
	h.stayed(t)
}
