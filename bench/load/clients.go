package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// openAtOnce is how many handshakes are under way at a time.
const openAtOnce = 64

// subscribePatience bounds how long the last client may wait for its
// subscription after the last handshake.
const subscribePatience = 15 * time.Second

// openJob asks for connections.
type openJob struct {
	Target      target `json:"target"`
	Connections int    `json:"connections"`
}

// openReport says how that went.
type openReport struct {
	Open       int            `json:"open"`
	Subscribed int            `json:"subscribed"`
	Failed     map[string]int `json:"failed,omitempty"`
	Seconds    float64        `json:"seconds"`
}

// clientsReport says what clients have seen.
type clientsReport struct {
	tally
	Latency summary `json:"latency"`
	// CPUSeconds is what the client process has used since its start.
	CPUSeconds float64 `json:"cpu_seconds"`
}

// runClients is the client process.
func runClients(ctx context.Context, in io.Reader, out io.Writer) error {
	r, err := newReader()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	err = answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			return answer{Opened: r.open(ctx, *cmd.Open)}, nil
		case "window":
			r.begin(cmd.Window)
			return answer{}, nil
		case "report":
			used, err := cpuTime(os.Getpid())
			t, latency := r.report()
			return answer{Clients: &clientsReport{tally: t, Latency: latency, CPUSeconds: used.Seconds()}}, err
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	return errors.Join(err, <-ended)
}

// open makes the connections and waits until all are subscribed.
func (r *reader) open(ctx context.Context, job openJob) *openReport {
	began := time.Now()
	before, _ := r.report()
	var (
		next    atomic.Int64
		workers sync.WaitGroup
		mu      sync.Mutex
		failed  = map[string]int{}
		made    int
	)
	for range min(openAtOnce, job.Connections) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < job.Connections; i = int(next.Add(1)) - 1 {
				c, err := job.Target.dial(ctx, i)
				if err == nil {
					err = r.add(c)
				}
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
	want := before.Subscribed + made
	deadline := time.Now().Add(subscribePatience)
	got, _ := r.report()
	for got.Subscribed < want && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
		got, _ = r.report()
	}
	return &openReport{
		Open:       got.Open,
		Subscribed: got.Subscribed - before.Subscribed,
		Failed:     failed,
		Seconds:    time.Since(began).Seconds(),
	}
}
