package e2e_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// writers are plain Kafka clients that fill a topic at a steady rate.
type writers struct {
	topic string
	// span is how long the writing should take.
	span time.Duration
	// perCodec is the number of records of each of five clients, one for each codec.
	perCodec int
	// kcat is the number of records written with kcat, for each codec.
	kcat int
	// committed and aborted are the numbers of records written in transactions of
	// fifty.
	committed, aborted int
}

var codecs = []struct {
	name  string
	codec kgo.CompressionCodec
}{
	{"none", kgo.NoCompression()},
	{"gzip", kgo.GzipCompression()},
	{"snappy", kgo.SnappyCompression()},
	{"lz4", kgo.Lz4Compression()},
	{"zstd", kgo.ZstdCompression()},
}

// total is the number of records that are visible at the end.
func (w writers) total() int { return len(codecs)*(w.perCodec+w.kcat) + w.committed }

// record returns a writer's numbered record. Keys repeat, so that partitions fill
// evenly and order within a key is meaningful.
func (w writers) record(writer string, n int) *kgo.Record {
	return &kgo.Record{
		Topic: w.topic,
		Key:   fmt.Appendf(nil, "%s-%d", writer, n%50),
		Value: fmt.Appendf(nil, `{"writer":%q,"n":%d,"note":"repeated, repeated, so that it packs"}`, writer, n),
	}
}

// run writes everything, and returns once it is stored.
func (w writers) run(ctx context.Context, t *testing.T) error {
	t.Helper()
	brokers := servers(t).Bootstrap()
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range codecs {
		group.Go(func() error { return w.plain(ctx, brokers, "kgo-"+c.name, c.codec) })
		group.Go(func() error { return w.runKcat(ctx, brokers[0], c.name) })
	}
	group.Go(func() error { return w.transactions(ctx, brokers) })
	return group.Wait()
}

func (w writers) plain(ctx context.Context, brokers []string, name string, codec kgo.CompressionCodec) error {
	const chunk = 200
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	pace := newPace(w.span, w.perCodec/chunk)
	for n := 0; n < w.perCodec; {
		var records []*kgo.Record
		for range min(chunk, w.perCodec-n) {
			records = append(records, w.record(name, n))
			n++
		}
		if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return fmt.Errorf("write as %s: %w", name, err)
		}
		if err := pace.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// runKcat writes the records in ten runs of kcat.
func (w writers) runKcat(ctx context.Context, broker, codec string) error {
	const runs = 10
	pace := newPace(w.span, runs)
	for n := 0; n < w.kcat; {
		var lines strings.Builder
		for range min((w.kcat+runs-1)/runs, w.kcat-n) {
			record := w.record("kcat-"+codec, n)
			fmt.Fprintf(&lines, "%s\t%s\n", record.Key, record.Value)
			n++
		}
		cmd := exec.CommandContext(ctx, "kcat", "-P", "-b", broker, "-t", w.topic, "-K", `\t`, "-z", codec)
		cmd.Stdin = strings.NewReader(lines.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("run kcat: %w: %s", err, out)
		}
		if err := pace.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// transactions writes transactions of fifty records, of which some are aborted,
// distributed evenly over the others.
func (w writers) transactions(ctx context.Context, brokers []string) error {
	const size = 50
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(w.topic+"-writer"), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	commits, aborts := w.committed/size, w.aborted/size
	if commits*size != w.committed || aborts*size != w.aborted {
		return fmt.Errorf("transactions have %d records", size)
	}
	pace := newPace(w.span, commits+aborts)
	for n, done := 0, 0; n < commits+aborts; n++ {
		// Bresenham's algorithm distributes the aborts.
		abort := (n+1)*aborts/(commits+aborts) > n*aborts/(commits+aborts)
		writer := "committed"
		if abort {
			writer = "aborted"
		}
		if err := client.BeginTransaction(); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		for range size {
			client.Produce(ctx, w.record(writer, done), nil)
			done++
		}
		if err := client.Flush(ctx); err != nil {
			return fmt.Errorf("write transaction: %w", err)
		}
		if err := client.EndTransaction(ctx, kgo.TransactionEndTry(!abort)); err != nil {
			return fmt.Errorf("end transaction: %w", err)
		}
		if err := pace.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pace distributes steps over a period of time.
type pace struct {
	began time.Time
	step  time.Duration
	done  int
}

func newPace(span time.Duration, steps int) *pace {
	return &pace{began: time.Now(), step: span / time.Duration(max(1, steps))}
}

func (p *pace) wait(ctx context.Context) error {
	p.done++
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(p.began.Add(time.Duration(p.done) * p.step))):
		return nil
	}
}
