package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	// ahead is how long before the beginning of a slot its records are generated.
	ahead = 200 * time.Millisecond
	// linger lets records that are due together be sent together.
	linger = 2 * time.Millisecond
	// flushWithin bounds the writing of buffered records at the end.
	flushWithin = 2 * time.Second
	// complainEvery bounds how often failing writes are logged.
	complainEvery = 10 * time.Second
)

// writeDemo writes all demo streams until the context ends.
func (e *Embedded) writeDemo(ctx context.Context) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(e.Brokers...),
		kgo.ClientID("sluice-demo"),
		kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(20_000),
	)
	if err != nil {
		return fmt.Errorf("write demo streams: %w", err)
	}
	defer client.Close()
	defer func() {
		// Generated records are written, so that the next run continues without a
		// gap.
		flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		_ = client.Flush(flushing)
	}()

	var late sync.WaitGroup
	writers, err := e.writers(client, &late)
	if err != nil {
		return fmt.Errorf("write demo streams: %w", err)
	}
	now := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range writers {
		from := startOf(now, e.config.History, e.written(w.topic))
		group.Go(func() error {
			defer w.caughtUp()
			return w.run(ctx, from)
		})
	}
	group.Go(func() error {
		late.Wait()
		if ctx.Err() == nil {
			close(e.ready)
		}
		<-ctx.Done()
		return ctx.Err()
	})
	return group.Wait()
}

// writers makes a writer for each stream that has a rate; each counts as late until
// it has caught up.
func (e *Embedded) writers(client *kgo.Client, late *sync.WaitGroup) ([]*writer, error) {
	var writers []*writer
	for stream, rate := range e.config.Rates {
		if rate == 0 {
			continue
		}
		generator, err := newGenerator(stream, e.config.Seed, rate)
		if err != nil {
			return nil, err
		}
		late.Add(1)
		writers = append(writers, &writer{
			topic:     stream,
			client:    client,
			generator: generator,
			history:   e.config.History,
			log:       e.log.With("topic", stream),
			caughtUp:  sync.OnceFunc(late.Done),
		})
	}
	return writers, nil
}

// startOf returns where a stream continues: after the records already written, but
// no further back than its history, and not in the future, in case a wrong clock
// wrote records there.
func startOf(now time.Time, history time.Duration, written time.Time) time.Time {
	from := now.Add(-history)
	if next := written.Add(time.Millisecond); next.After(from) {
		from = next
	}
	if from.After(now) {
		from = now
	}
	return from.Truncate(time.Millisecond)
}

// writer writes one stream.
type writer struct {
	topic     string
	client    *kgo.Client
	generator generator
	history   time.Duration
	log       *slog.Logger
	caughtUp  func()

	// complained is when a failed write was last logged, in Unix nanoseconds.
	complained atomic.Int64
}

// run writes the records that are due from some time on. History and live records
// are treated alike: history is due already.
func (w *writer) run(ctx context.Context, from time.Time) error {
	span := w.generator.span()
	for slot := slotOf(from, span); ; slot++ {
		begin := time.Unix(0, slot*int64(span))
		if err := w.until(ctx, begin.Add(-ahead)); err != nil {
			return err
		}
		// After a long suspend of the machine, the records before History are
		// skipped.
		if wanted := time.Now().Add(-w.history); begin.Before(wanted.Add(-2 * span)) {
			from = wanted
			slot = slotOf(from, span) - 1
			continue
		}
		if err := w.write(ctx, from, w.generator.records(slot)); err != nil {
			return err
		}
	}
}

func slotOf(t time.Time, span time.Duration) int64 { return t.UnixNano() / int64(span) }

// write writes the records of a slot, each when it is due.
func (w *writer) write(ctx context.Context, from time.Time, records []record) error {
	var last time.Time
	for _, r := range records {
		if r.due.Before(from) {
			continue
		}
		// All records of a millisecond are written together, because the next run
		// continues after the last timestamp that it finds.
		if !r.due.Equal(last) {
			if err := w.until(ctx, r.due); err != nil {
				return err
			}
			last = r.due
		}
		w.client.Produce(context.WithoutCancel(ctx), &kgo.Record{
			Topic:     w.topic,
			Key:       []byte(r.key),
			Value:     r.value,
			Timestamp: r.ts,
		}, w.produced)
	}
	return nil
}

// until waits for a time. If that has passed it returns at once, with the error of a
// context that has ended.
func (w *writer) until(ctx context.Context, t time.Time) error {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err()
	}
	w.caughtUp()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (w *writer) produced(_ *kgo.Record, err error) {
	if err == nil {
		return
	}
	now, last := time.Now().UnixNano(), w.complained.Load()
	if now-last > int64(complainEvery) && w.complained.CompareAndSwap(last, now) {
		w.log.Warn("writing demo records failed", "error", err)
	}
}
