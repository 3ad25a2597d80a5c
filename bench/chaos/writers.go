package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// writers write until they are stopped: plain Kafka producers, one with transactions
// of which some are aborted, and publishers through Sluice.
type writers struct {
	until   chan struct{}
	running sync.WaitGroup

	// stored counts the records that Kafka itself confirmed.
	stored atomic.Int64

	mu   sync.Mutex
	sent []check.Publish // through Sluice, by session
	// plain is what the plain producers sent: it shows whether Kafka itself keeps
	// its promises in this run.
	plain []check.Publish
	odd   []string // answers that violate the protocol, and errors that ended a writer
}

// write starts writers of about perSecond records in total, of which a third goes
// through Sluice.
func write(ctx context.Context, perSecond int, bootstrap []string, addr string) *writers {
	w := &writers{until: make(chan struct{})}
	const each = 2
	for n := range each {
		w.running.Go(func() { w.produce(ctx, bootstrap, fmt.Sprint("plain-", n), perSecond/2/each) })
	}
	w.running.Go(func() { w.transact(ctx, bootstrap, perSecond/6) })
	const over = 4
	for n := range over {
		again, ids := n%2 == 0, n >= over/2
		// A request has seven thirds of a record on average, a message seven fifths.
		perPublisher := float64(perSecond) / 3 / 2 / over
		w.running.Go(func() {
			w.publish(ctx, addr, fmt.Sprint("http-", n), again, ids, every(perPublisher*3/7), (*clients.Publisher).OverHTTP)
		})
		w.running.Go(func() {
			w.publish(ctx, addr, fmt.Sprint("ws-", n), again, ids, every(perPublisher*5/7), (*clients.Publisher).OverWebSocket)
		})
	}
	return w
}

func every(perSecond float64) time.Duration { return time.Duration(float64(time.Second) / perSecond) }

// stop stops the writing, and waits until everything is answered.
func (w *writers) stop() {
	close(w.until)
	w.running.Wait()
}

func (w *writers) remark(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.odd) < 20 {
		w.odd = append(w.odd, fmt.Sprintf(format, args...))
	}
}

// produce writes with acks=all and idempotence, without a delivery timeout.
func (w *writers) produce(ctx context.Context, bootstrap []string, name string, perSecond int) {
	client, err := kgo.NewClient(append(patient(bootstrap), kgo.ProducerLinger(2*time.Millisecond))...)
	if err != nil {
		w.remark("%s: %v", name, err)
		return
	}
	defer client.Close()
	var mu sync.Mutex
	var sent []check.Publish
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-w.until:
			if err := client.Flush(ctx); err != nil {
				w.remark("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			w.mu.Lock()
			defer w.mu.Unlock()
			w.plain = append(w.plain, sent...)
			return
		case <-tick.C:
		}
		record := numbered(name, n)
		mu.Lock()
		sent = append(sent, check.Publish{Session: name, Key: string(record.Key), Sum: check.Sum(record.Key, record.Value)})
		mu.Unlock()
		client.Produce(ctx, record, func(r *kgo.Record, err error) {
			if err != nil {
				w.remark("%s: %v", name, err)
				return
			}
			w.stored.Add(1)
			mu.Lock()
			defer mu.Unlock()
			sent[n].Answer, sent[n].Partition, sent[n].Offset = check.Stored, r.Partition, r.Offset
		})
	}
}

// patient returns a client's options for noticing new leaders soon.
func patient(bootstrap []string) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(bootstrap...), kgo.DefaultProduceTopic(topic), kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.ProduceRequestTimeout(3 * time.Second), kgo.RequestTimeoutOverhead(3 * time.Second), kgo.DialTimeout(2 * time.Second),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.UnknownTopicRetries(-1),
	}
}

func numbered(writer string, n int) *kgo.Record {
	return &kgo.Record{
		Key:   []byte(keys[n%len(keys)]),
		Value: fmt.Appendf(nil, `{"writer":%q,"n":%d,"note":"%s"}`, writer, n, strings.Repeat("some more of it, ", n%8)),
	}
}

// transact writes transactions of ten records, of which every fourth is aborted. A
// transaction that fails is abandoned: its producer is fenced by the next one.
func (w *writers) transact(ctx context.Context, bootstrap []string, perSecond int) {
	const size = 10
	for n, session := 0, 0; ; session++ {
		client, err := kgo.NewClient(append(patient(bootstrap), kgo.TransactionalID("chaos"), kgo.TransactionTimeout(10*time.Second))...)
		if err != nil {
			w.remark("transactions: %v", err)
			return
		}
		for err == nil {
			select {
			case <-w.until:
				client.Close()
				return
			case <-time.After(every(float64(perSecond) / size)):
			}
			n += size
			err = transaction(ctx, client, fmt.Sprint("transactions-", session), n, n/size%4 > 0)
		}
		client.Close()
	}
}

func transaction(ctx context.Context, client *kgo.Client, name string, n int, commit bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for i := range 10 {
		client.Produce(ctx, numbered(name, n+i), nil)
	}
	return errors.Join(client.Flush(ctx), client.EndTransaction(ctx, kgo.TransactionEndTry(commit)))
}

// settle keeps what a session has sent, once it is over. Until then, and as long as it takes after
// that, what may be stored is sent again if it has a message id.
func (w *writers) settle(ctx context.Context, p *clients.Publisher, ended <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := make(chan struct{})
	go func() {
		defer close(late)
		select {
		case <-ctx.Done():
		case <-w.until:
			// All servers are repaired. It takes a lease of the ids at most, and the log is
			// looked through for many in turn.
			wait(ctx, drainWithin)
			cancel()
		}
	}()
	if err := p.Settle(ctx, ended); clients.IsAgainstProtocol(err) {
		w.remark("%v", err)
	}
	cancel()
	<-late
	<-ended
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, p.Sent()...)
}

// publish sends through Sluice, in a new session after each error: the order of a
// session is defined only as long as its publishes are answered.
func (w *writers) publish(ctx context.Context, addr, name string, again, ids bool, pause time.Duration, run func(*clients.Publisher, context.Context, int) error) {
	bearer, _ := token(name, "writer", 12*time.Hour)
	for session := 0; ; session++ {
		p := &clients.Publisher{
			Session: fmt.Sprintf("%s-%d", name, session), Stream: []string{wide, narrow}[session%2], Addr: addr, Token: bearer,
			Keys: keys, Every: pause, Again: again, IDs: ids, Wire: clients.Wire{Idle: 2 * idle}, Until: w.until,
		}
		ended := make(chan struct{})
		w.running.Go(func() { w.settle(ctx, p, ended) })
		err := run(p, ctx, math.MaxInt)
		close(ended)
		if clients.IsAgainstProtocol(err) {
			w.remark("%v", err)
		}
		select {
		case <-w.until:
			return
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// onceOf sums up the records with message ids.
func onceOf(sent []check.Publish) string {
	times := make(map[string]int)
	again, duplicates, unknown := 0, 0, 0
	for _, p := range sent {
		if p.ID == "" {
			continue
		}
		if times[p.ID]++; times[p.ID] > 1 {
			again++
		}
		if p.Duplicate {
			duplicates++
		}
		if p.Answer == check.Unknown {
			unknown++
		}
	}
	return fmt.Sprintf("message ids: %d, sent again %d times; %d answers unknown or not waited for, %d say that the record was stored before",
		len(times), again, unknown, duplicates)
}
