package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bridgeJob configures what is forwarded from Kafka to another server, and how.
type bridgeJob struct {
	Brokers []string `json:"brokers"`
	Topic   string   `json:"topic"`
	// API is how records are published to the server, one of publishers.
	API     string `json:"api"`
	Address string `json:"address"`
	// Backend is the address of the backend that authorizes clients, if the server
	// uses one.
	Backend string `json:"backend,omitempty"`
	Secret  string `json:"secret,omitempty"`
}

// bridgeReport is the progress of the bridge.
type bridgeReport struct {
	Published int64 `json:"published"`
}

// bridgeBatch is how many records are in flight on a connection. A connection
// carries one partition, so that order is kept.
const bridgeBatch = 64

// bridgePatience bounds each exchange.
const bridgePatience = 30 * time.Second

// bridge is the bridge process: a plain consumer without a group, from the tip, that
// publishes each record to another server over the API that is typically used with
// it.
type bridge struct {
	job    bridgeJob
	client *kgo.Client
	lanes  sync.WaitGroup

	mu        sync.Mutex // guards what follows
	published int64
	fault     error
}

// publisher publishes records, in order, over one connection.
type publisher interface {
	// greeting is sent first and has one answer, unless it is empty.
	greeting() []byte
	// encode appends the encoding of some records, and returns how many answers the
	// server will send.
	encode(dst []byte, records []*kgo.Record) ([]byte, int)
	// answer reads one answer.
	answer(r *bufio.Reader) error
}

// runBridge is the bridge process.
func runBridge(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	b := &bridge{}
	var backend *http.Server
	err := answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			b.job = *cmd.Bridge
			if b.job.Backend != "" {
				listener, err := net.Listen("tcp4", b.job.Backend)
				if err != nil {
					return answer{}, fmt.Errorf("listen as backend: %w", err)
				}
				backend = &http.Server{Handler: http.HandlerFunc(gripBackend), ReadHeaderTimeout: bridgePatience}
				b.lanes.Go(func() { _ = backend.Serve(listener) })
			}
			return answer{}, b.open(ctx)
		case "report":
			b.mu.Lock()
			defer b.mu.Unlock()
			return answer{Bridge: &bridgeReport{Published: b.published}}, b.fault
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	if backend != nil {
		_ = backend.Close()
	}
	b.lanes.Wait()
	if b.client != nil {
		b.client.Close()
	}
	return err
}

func (b *bridge) open(ctx context.Context) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(b.job.Brokers...),
		kgo.ConsumeTopics(b.job.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return fmt.Errorf("make consumer: %w", err)
	}
	b.client = client
	b.lanes.Go(func() {
		if err := b.follow(ctx); err != nil && ctx.Err() == nil {
			b.fail(err)
		}
	})
	return nil
}

func (b *bridge) fail(err error) {
	fmt.Fprintln(os.Stderr, "bridge:", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = errors.Join(b.fault, err)
}

// follow distributes records to a lane per partition.
func (b *bridge) follow(ctx context.Context) error {
	lanes := map[int32]chan []*kgo.Record{}
	defer func() {
		for _, lane := range lanes {
			close(lane)
		}
	}()
	for {
		fetches := b.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("consume: %w", err)
		}
		var err error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if err != nil || len(p.Records) == 0 {
				return
			}
			lane := lanes[p.Partition]
			if lane == nil {
				lane = make(chan []*kgo.Record, 1024)
				lanes[p.Partition] = lane
				b.lanes.Go(func() {
					if err := b.carry(ctx, lane); err != nil && ctx.Err() == nil {
						b.fail(err)
					}
				})
			}
			select {
			case lane <- p.Records:
			case <-ctx.Done():
			}
		})
	}
}

// carry publishes the records of a lane: many records with one write, and then their
// answers, so that not every record costs a round trip.
func (b *bridge) carry(ctx context.Context, lane <-chan []*kgo.Record) error {
	made, err := newPublisher(b.job)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", b.job.Address)
	if err != nil {
		return fmt.Errorf("connect to peer: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	reader := bufio.NewReaderSize(conn, 64<<10)
	if hello := made.greeting(); len(hello) > 0 {
		if _, err := conn.Write(hello); err != nil {
			return fmt.Errorf("greet peer: %w", err)
		}
		if err := made.answer(reader); err != nil {
			return fmt.Errorf("greet peer: %w", err)
		}
	}
	var waiting []*kgo.Record
	var out []byte
	for records := range lane {
		waiting = append(waiting[:0], records...)
		for more := true; more && len(waiting) < bridgeBatch; {
			select {
			case records, ok := <-lane:
				waiting = append(waiting, records...)
				more = ok
			default:
				more = false
			}
		}
		for len(waiting) > 0 {
			some := waiting[:min(len(waiting), bridgeBatch)]
			waiting = waiting[len(some):]
			var answers int
			out, answers = made.encode(out[:0], some)
			if err := conn.SetDeadline(time.Now().Add(bridgePatience)); err != nil {
				return fmt.Errorf("publish to peer: %w", err)
			}
			if _, err := conn.Write(out); err != nil {
				return fmt.Errorf("publish to peer: %w", err)
			}
			for range answers {
				if err := made.answer(reader); err != nil {
					return fmt.Errorf("publish to peer: %w", err)
				}
			}
			b.mu.Lock()
			b.published += int64(len(some))
			b.mu.Unlock()
		}
	}
	return nil
}
