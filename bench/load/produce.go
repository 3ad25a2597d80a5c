package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// writeJob configures the writer.
type writeJob struct {
	Brokers []string `json:"brokers"`
	// Topics get the records in turn, key by key.
	Topics     []string `json:"topics"`
	Partitions int      `json:"partitions"`
	Keys       int      `json:"keys"`
	// Rate is in records per second; Burst, in its place, is how many records are
	// written as fast as Kafka accepts them.
	Rate  int `json:"rate"`
	Burst int `json:"burst"`
	// Size is the size of a value, in bytes, or readingSize.
	Size   int           `json:"size"`
	Linger time.Duration `json:"linger"`
	// Batch is how many records are due at a time, 1 if it is 0.
	Batch int `json:"batch,omitempty"`
	// Keyed has records go to the partitions that Kafka's clients choose by their
	// keys, and compresses them, which no floor can read.
	Keyed bool `json:"keyed,omitempty"`
}

// writeReport is what was written.
type writeReport struct {
	// Due is the number of records in the window, Stored the number of them that
	// Kafka has acknowledged, by key.
	Due    int64   `json:"due"`
	Stored []int64 `json:"stored"`
	Failed int64   `json:"failed"`
	// LateMax is the maximum delay of the writer behind its schedule.
	LateMax float64 `json:"late_max_ms"`
	// Ack is the time from when a record is due to Kafka's acknowledgement.
	Ack        summary `json:"ack"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// writer is the writer process.
type writer struct {
	job    writeJob
	client *kgo.Client
	// numbers has the number of each key's next record.
	numbers []int64
	next    int64

	failed atomic.Int64
	stored []atomic.Int64

	// State of the current plan.
	due  int64
	late time.Duration
	done chan struct{} // closed when the plan is complete

	mu  sync.Mutex
	ack latency
}

// runProduce is the writer process.
func runProduce(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &writer{ack: newLatency()}
	err := answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			return answer{}, w.open(ctx, *cmd.Write)
		case "run":
			if cmd.Rate > 0 {
				w.job.Rate = cmd.Rate
			}
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
	if w.client != nil {
		w.client.Close()
	}
	return err
}

func (w *writer) open(ctx context.Context, job writeJob) error {
	partitions, codec := kgo.ManualPartitioner(), kgo.NoCompression()
	if job.Keyed {
		partitions, codec = kgo.StickyKeyPartitioner(nil), kgo.Lz4Compression() // as the server does
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(job.Brokers...),
		kgo.RecordPartitioner(partitions),
		kgo.ProducerLinger(job.Linger),
		kgo.ProducerBatchCompression(codec),
		kgo.MaxBufferedRecords(1<<20),
	)
	if err != nil {
		return fmt.Errorf("make producer: %w", err)
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return fmt.Errorf("reach kafka: %w", err)
	}
	if job.Keyed {
		// The topic may be too new to have leaders, of which the client asks again after
		// seconds only.
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: job.Topics[0], Value: []byte("null")}).FirstErr(); err != nil {
			client.Close()
			return fmt.Errorf("produce: %w", err)
		}
	}
	w.job, w.client = job, client
	w.numbers = make([]int64, job.Keys)
	w.stored = make([]atomic.Int64, job.Keys)
	return nil
}

// write executes a plan: at the job's rate until the window ends, beginning before
// the window so that all parts are warm by then; or a number of records at once, all
// of which count.
func (w *writer) write(ctx context.Context, counted window) {
	defer close(w.done)
	w.due, w.late = 0, 0
	for i := range w.stored {
		w.stored[i].Store(0)
	}
	w.mu.Lock()
	w.ack.hist.Reset()
	w.mu.Unlock()
	if w.job.Burst > 0 {
		for range w.job.Burst {
			w.one(ctx, time.Now().UnixNano(), true)
		}
	} else {
		w.paced(ctx, counted)
	}
	// Failures are counted by the callbacks of the records.
	_ = w.client.Flush(ctx)
}

func (w *writer) paced(ctx context.Context, counted window) {
	begin := time.Now()
	batch := max(int64(w.job.Batch), 1)
	for number := int64(0); ctx.Err() == nil; number++ {
		due := begin.Add(time.Duration(number * batch * int64(time.Second) / int64(w.job.Rate)))
		if due.UnixNano() >= counted.To {
			return
		}
		late := time.Since(due)
		if late < 0 {
			time.Sleep(-late)
		}
		in := counted.holds(due.UnixNano())
		if in {
			w.late = max(w.late, late)
		}
		for range batch {
			w.one(ctx, due.UnixNano(), in)
		}
	}
}

// one writes the next record.
func (w *writer) one(ctx context.Context, due int64, counts bool) {
	key := int(w.next % int64(w.job.Keys))
	w.next++
	number := w.numbers[key]
	w.numbers[key]++
	if counts {
		w.due++
	}
	value := appendValue(make([]byte, 0, max(w.job.Size, 0)+stampSize), stamp{at: due, slot: int32(key), n: number}, w.job.Size)
	w.client.Produce(ctx, &kgo.Record{
		Topic:     w.job.Topics[key%len(w.job.Topics)],
		Partition: int32(key / len(w.job.Topics) % w.job.Partitions),
		Key:       appendKey(nil, key),
		Value:     value,
	}, func(_ *kgo.Record, err error) {
		switch {
		case err != nil:
			w.failed.Add(1)
		case counts:
			w.stored[key].Add(1)
			w.mu.Lock()
			w.ack.record(time.Now().UnixNano() - due)
			w.mu.Unlock()
		}
	})
}

// appendKey appends the key of a slot, with a fixed width.
func appendKey(dst []byte, slot int) []byte {
	return strconv.AppendInt(append(dst, 'k'), int64(slotBase+slot), 10)
}

// report waits until the plan is complete.
func (w *writer) report(ctx context.Context) (answer, error) {
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-w.done:
	}
	used, err := cpuTime(os.Getpid())
	written := &writeReport{
		Due:        w.due,
		Stored:     make([]int64, len(w.stored)),
		Failed:     w.failed.Load(),
		LateMax:    float64(w.late.Microseconds()) / 1000,
		CPUSeconds: used.Seconds(),
	}
	for i := range w.stored {
		written.Stored[i] = w.stored[i].Load()
	}
	w.mu.Lock()
	written.Ack = w.ack.summary()
	w.mu.Unlock()
	return answer{Written: written}, err
}
