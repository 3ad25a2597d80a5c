package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// writeJob says what the writer writes.
type writeJob struct {
	Brokers []string `json:"brokers"`
	Topic   string   `json:"topic"`
	// Rate is in records a second.
	Rate int `json:"rate"`
	// Size is a value's, in bytes.
	Size int `json:"size"`
	// Keys is over how many keys, and so partitions, records are spread.
	Keys int `json:"keys"`
}

// writeReport says what was written, and what the floor saw of it.
type writeReport struct {
	// Due is how many records the window holds, Stored how many of them Kafka
	// has acknowledged.
	Due    int64 `json:"due"`
	Stored int64 `json:"stored"`
	Failed int64 `json:"failed"`
	// LateMax is how far the writer fell behind its plan at most.
	LateMax    float64 `json:"late_max_ms"`
	Floor      summary `json:"floor"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// writer is the writer process.
type writer struct {
	job    writeJob
	client *kgo.Client
	floor  *floor

	stored, failed atomic.Int64
	due            int64
	late           time.Duration
	done           chan struct{} // closed when the plan has been carried out
}

// runProduce is the writer process.
func runProduce(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &writer{}
	ended := make(chan error, 1)
	err := answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			return answer{}, w.open(ctx, *cmd.Write, ended)
		case "run":
			w.floor.begin(cmd.Window)
			w.done = make(chan struct{})
			go w.write(ctx, cmd.Window)
			return answer{}, nil
		case "report":
			return w.report(ctx)
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	if w.done != nil {
		<-w.done
	}
	if w.floor != nil {
		err = errors.Join(err, <-ended)
		w.client.Close()
	}
	return err
}

func (w *writer) open(ctx context.Context, job writeJob, ended chan<- error) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(job.Brokers...),
		kgo.DefaultProduceTopic(job.Topic),
		// Records are sent when they are due, not in bunches.
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<20),
	)
	if err != nil {
		return fmt.Errorf("make producer: %w", err)
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return fmt.Errorf("reach kafka: %w", err)
	}
	f, err := newFloor(job)
	if err != nil {
		client.Close()
		return err
	}
	w.job, w.client, w.floor = job, client, f
	go func() { ended <- f.run(ctx) }()
	return nil
}

// write produces from now until the window ends, which holds back nothing: it
// runs before the window so that all parts are warm when that begins.
func (w *writer) write(ctx context.Context, counted window) {
	defer close(w.done)
	interval := time.Second / time.Duration(w.job.Rate)
	begin := time.Now()
	for number := int64(0); ctx.Err() == nil; number++ {
		due := begin.Add(time.Duration(number) * interval)
		if due.UnixNano() >= counted.To {
			break
		}
		late := time.Since(due)
		if late < 0 {
			time.Sleep(-late)
		}
		in := counted.holds(due.UnixNano())
		if in {
			w.due++
			w.late = max(w.late, late)
		}
		w.client.Produce(ctx, &kgo.Record{
			Key:   strconv.AppendInt([]byte("k"), number%int64(w.job.Keys), 10),
			Value: appendRecord(make([]byte, 0, w.job.Size+64), due.UnixNano(), number, w.job.Size),
		}, func(_ *kgo.Record, err error) {
			switch {
			case err != nil:
				w.failed.Add(1)
			case in:
				w.stored.Add(1)
			}
		})
	}
	// What fails is counted by the records themselves.
	_ = w.client.Flush(ctx)
}

// report waits for the plan to be carried out.
func (w *writer) report(ctx context.Context) (answer, error) {
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-w.done:
	}
	used, err := cpuTime(os.Getpid())
	return answer{Written: &writeReport{
		Due:        w.due,
		Stored:     w.stored.Load(),
		Failed:     w.failed.Load(),
		LateMax:    float64(w.late.Microseconds()) / 1000,
		Floor:      w.floor.report(ctx, w.stored.Load()),
		CPUSeconds: used.Seconds(),
	}}, err
}
