package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/load/scenario"
)

// openAtOnce is how many handshakes a process does concurrently.
const openAtOnce = 64

// backAtOnce is the same when all clients come back at once. More handshakes would
// each need a thread, and keep the machine busy with threads.
const backAtOnce = 256

// subscribePatience bounds how long the last client may wait for its
// subscription after the last handshake.
const subscribePatience = 20 * time.Second

// openJob requests connections: clients First to First + Count - 1 of a group.
type openJob struct {
	Target target `json:"target"`
	Kind   string `json:"kind"`
	First  int    `json:"first"`
	Count  int    `json:"count"`
	// Filter is that of a group of clients: with one, client i gets the key i, modulo
	// Keys, or nothing; without, each client gets all keys of its stream.
	Filter string `json:"filter,omitempty"`
	Keys   int    `json:"keys"`
	// Stalled clients subscribe and never read.
	Stalled bool `json:"stalled"`
	// Resume keeps the state that is needed to come back.
	Resume bool `json:"resume"`
	// Publishes omits the subscription.
	Publishes bool `json:"publishes"`
}

// openReport is the result of opening connections.
type openReport struct {
	Made       int            `json:"made"`
	Subscribed int            `json:"subscribed"`
	Failed     map[string]int `json:"failed,omitempty"`
	Seconds    float64        `json:"seconds"`
}

// clientsReport is what clients have received.
type clientsReport struct {
	tally
	Histogram []byte `json:"histogram,omitempty"`
	// PublishesDue is the number of publishes due within the window, once publishing
	// has ended.
	PublishesDue int64 `json:"publishes_due"`
	// CPUSeconds is the CPU time of the client process since its start.
	CPUSeconds float64 `json:"cpu_seconds"`
}

// clientProcess is the state of a client process.
type clientProcess struct {
	*reader
	target    target
	stalled   []*conn
	away      []*conn
	due       atomic.Int64
	publisher sync.WaitGroup
}

// runClients is the client process.
func runClients(ctx context.Context, in io.Reader, out io.Writer) error {
	r, err := newReader()
	if err != nil {
		return err
	}
	p := &clientProcess{reader: r}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	err = answerCommands(in, out, func(cmd command) (answer, error) { return p.do(ctx, cmd) })
	cancel()
	p.publisher.Wait()
	p.unstall()
	return errors.Join(err, <-ended)
}

func (p *clientProcess) do(ctx context.Context, cmd command) (answer, error) {
	switch cmd.Do {
	case "open":
		return answer{Opened: p.open(ctx, *cmd.Open)}, nil
	case "window":
		p.begin(cmd.Window)
		return answer{}, nil
	case "storm":
		return answer{Opened: p.storm(ctx)}, nil
	case "leave":
		p.leave()
		return answer{}, nil
	case "return":
		return answer{Opened: p.comeBack(ctx)}, nil
	case "unstall":
		p.unstall()
		return answer{}, nil
	case "publish":
		p.publisher.Go(func() { p.due.Store(p.publish(ctx, *cmd.Publish, cmd.Window)) })
		return answer{}, nil
	case "report":
		used, err := cpuTime(os.Getpid())
		if err != nil {
			return answer{}, err
		}
		t, compressed, err := p.report(cmd.Histogram)
		return answer{Clients: &clientsReport{
			tally: t, Histogram: compressed, PublishesDue: p.due.Load(), CPUSeconds: used.Seconds(),
		}}, err
	}
	return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
}

// open makes the connections and waits until all are subscribed.
func (p *clientProcess) open(ctx context.Context, job openJob) *openReport {
	p.mu.Lock()
	p.target, p.dialect = job.Target, job.Target.Dialect
	p.mu.Unlock()
	return p.dialAll(ctx, job.Count, openAtOnce, func(i int) error {
		i += job.First
		w := wish{kind: job.Kind, client: i, stream: i % len(job.Target.Streams), key: -1, publishes: job.Publishes}
		w.filterBy(job.Filter, i, job.Keys)
		buffer := 0
		if job.Stalled {
			buffer = stalledBuffer
		}
		c, err := job.Target.dial(ctx, w, buffer)
		if err != nil {
			return err
		}
		c.track = trackOf(job.Filter, w, len(job.Target.Streams), job.Keys)
		if job.Resume && job.Target.Dialect == dialectSluice {
			c.resume = &resume{}
		}
		if job.Stalled {
			p.mu.Lock()
			p.stalled = append(p.stalled, c)
			p.subscribed(c) // A stalled client will not read the answer.
			p.mu.Unlock()
			return nil
		}
		return p.add(c, -1)
	})
}

// unstall closes the clients that never read.
func (p *clientProcess) unstall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.stalled {
		_ = unix.Close(c.fd)
	}
	p.stalled = nil
}

// storm cuts all connections and opens them again at once.
func (p *clientProcess) storm(ctx context.Context) *openReport {
	p.leave()
	return p.comeBack(ctx)
}

// leave cuts all connections.
func (p *clientProcess) leave() {
	const reason = "cut on purpose"
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = slices.Clone(p.conns)
	for _, c := range p.away {
		if !c.closed {
			p.drop(c, reason)
		}
	}
	delete(p.tally.Disconnects, reason)
}

// comeBack opens all connections again at once, from their last positions.
func (p *clientProcess) comeBack(ctx context.Context) *openReport {
	cut := p.away
	p.mu.Lock()
	p.returned = time.Now().UnixNano()
	p.mu.Unlock()
	return p.dialAll(ctx, len(cut), backAtOnce, func(i int) error {
		w := cut[i].wish
		if cut[i].resume != nil {
			w.from = cut[i].resume.from()
		}
		c, err := p.target.dial(ctx, w, 0)
		if err != nil {
			return err
		}
		c.track, c.resume, c.behind = cut[i].track, cut[i].resume, true
		return p.add(c, i)
	})
}

// dialAll calls dial for 0 to count-1, atOnce at a time, and waits until all clients
// are subscribed.
func (p *clientProcess) dialAll(ctx context.Context, count, atOnce int, dial func(i int) error) *openReport {
	began := time.Now()
	before, _, _ := p.report(false)
	var (
		next    atomic.Int64
		workers sync.WaitGroup
		mu      sync.Mutex
		failed  = map[string]int{}
		made    int
	)
	for range min(atOnce, count) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				err := dial(i)
				mu.Lock()
				if err != nil {
					failed[err.Error()]++
				} else {
					made++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	deadline := time.Now().Add(subscribePatience)
	got, _, _ := p.report(false)
	for got.Subscribed < before.Subscribed+made && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
		got, _, _ = p.report(false)
	}
	return &openReport{
		Made:       made,
		Subscribed: got.Subscribed - before.Subscribed,
		Failed:     failed,
		Seconds:    time.Since(began).Seconds(),
	}
}

// kinds are the kinds of connections that a client process supports.
var kinds = []string{scenario.WebSocket, scenario.SSE}
