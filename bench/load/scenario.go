package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// streamName is what clients subscribe to on a server of our own.
const streamName = "load"

// settle is how long nothing is done before memory is read, by default.
const settle = 3 * time.Second

// scenario is one thing to measure.
type scenario struct {
	Name        string        `json:"name"`
	Kind        string        `json:"kind"`
	Connections int           `json:"connections"`
	Rate        int           `json:"records_per_second"`
	RecordBytes int           `json:"record_bytes"`
	WarmUp      time.Duration `json:"warm_up_ns"`
	Measure     time.Duration `json:"measure_ns"`
}

// scenarios are those that a run without -url measures.
func scenarios(warmUp, measure time.Duration, idle int) []scenario {
	return []scenario{
		{Name: "idle WebSocket", Kind: kindWebSocket, Connections: idle},
		{Name: "idle SSE", Kind: kindSSE, Connections: idle},
		{Name: "WebSocket, 100/s", Kind: kindWebSocket, Connections: 1000, Rate: 100, RecordBytes: 200, WarmUp: warmUp, Measure: measure},
		{Name: "SSE, 100/s", Kind: kindSSE, Connections: 1000, Rate: 100, RecordBytes: 200, WarmUp: warmUp, Measure: measure},
		{Name: "WebSocket, 2,000/s", Kind: kindWebSocket, Connections: 1000, Rate: 2000, RecordBytes: 200, WarmUp: warmUp, Measure: measure},
	}
}

// place says where a scenario runs.
type place struct {
	Target  target
	PID     int // the server's; 0 where it is not known
	Brokers []string
	Topic   string
	// SourcesPer is how many connections share a source address.
	SourcesPer int
	// Settle is how long nothing is done before memory is read.
	Settle time.Duration
}

// result is what was measured.
type result struct {
	scenario
	Open              int     `json:"open"`
	OpenSeconds       float64 `json:"open_seconds"`
	BytesPerConn      float64 `json:"server_rss_bytes_per_connection"`
	ServerRSS         int64   `json:"server_rss_bytes"`
	Produced          int64   `json:"produced"`
	NotStored         int64   `json:"not_stored"`
	WriterLateMax     float64 `json:"writer_late_max_ms"`
	Deliveries        int64   `json:"deliveries"`
	Missing           int64   `json:"missing"`
	DeliveriesPerSec  float64 `json:"deliveries_per_second"`
	ServerCores       float64 `json:"server_cores"`
	MicrosPerDelivery float64 `json:"server_cpu_us_per_delivery"`
	ClientMicros      float64 `json:"client_cpu_us_per_delivery"`
	Latency           summary `json:"latency"`
	Floor             summary `json:"floor"`
	// Faults counts failed handshakes, disconnects, and messages that tell of
	// an error, by what they said.
	Faults map[string]int `json:"faults,omitempty"`
}

// measure runs one scenario.
func (s scenario) measure(ctx context.Context, p place) (result, error) {
	res := result{scenario: s, Faults: map[string]int{}}
	p.Target.Kind = s.Kind
	p.Target.Sources = 1 + s.Connections/max(p.SourcesPer, 1)
	if s.Kind == kindSSE {
		p.Target.Path = "/v1/streams/" + p.Target.Stream + "/events"
	} else {
		p.Target.Path = "/v1/ws"
	}
	clients, err := startChild(ctx, roleClients)
	if err != nil {
		return res, err
	}
	defer clients.stop()

	if err := res.connect(ctx, clients, p); err != nil || s.Rate == 0 {
		return res, err
	}
	writer, err := startChild(ctx, roleProduce)
	if err != nil {
		return res, err
	}
	defer writer.stop()
	return res, res.load(ctx, clients, writer, p)
}

// connect opens the connections and measures what memory they take. The first
// makes the server open the stream, and is not counted.
func (r *result) connect(ctx context.Context, clients *child, p place) error {
	open := func(n int) error {
		if n == 0 {
			return nil
		}
		got, err := clients.ask(ctx, command{Do: "open", Open: &openJob{Target: p.Target, Connections: n}})
		if err != nil {
			return err
		}
		r.Open, r.OpenSeconds = got.Opened.Open, got.Opened.Seconds
		for reason, n := range got.Opened.Failed {
			r.Faults[reason] += n
		}
		if got.Opened.Subscribed < n {
			r.Faults["not subscribed"] += n - got.Opened.Subscribed
		}
		return nil
	}
	if err := open(1); err != nil {
		return err
	}
	if len(r.Faults) > 0 {
		if err := r.clients(ctx, clients); err != nil {
			return err
		}
		return fmt.Errorf("%w: the first client got: %v", errServer, slices.Sorted(maps.Keys(r.Faults)))
	}
	before, err := p.memory(ctx)
	if err != nil {
		return err
	}
	if err := open(r.Connections - 1); err != nil {
		return err
	}
	after, err := p.memory(ctx)
	if err != nil {
		return err
	}
	r.ServerRSS = after
	if r.Open > 1 {
		r.BytesPerConn = float64(after-before) / float64(r.Open-1)
	}
	if r.Rate > 0 {
		return nil
	}
	return r.clients(ctx, clients)
}

// load produces, and measures what arrives.
func (r *result) load(ctx context.Context, clients, writer *child, p place) error {
	_, err := writer.ask(ctx, command{Do: "open", Write: &writeJob{
		Brokers: p.Brokers, Topic: p.Topic, Rate: r.Rate, Size: r.RecordBytes, Keys: 1000,
	}})
	if err != nil {
		return err
	}
	begin := time.Now().Add(r.WarmUp)
	end := begin.Add(r.Measure)
	counted := window{From: begin.UnixNano(), To: end.UnixNano()}
	if _, err := clients.ask(ctx, command{Do: "window", Window: counted}); err != nil {
		return err
	}
	if _, err := writer.ask(ctx, command{Do: "run", Window: counted}); err != nil {
		return err
	}
	used, err := p.usage(ctx, clients, begin, end)
	if err != nil {
		return err
	}
	got, err := writer.ask(ctx, command{Do: "report"})
	if err != nil {
		return err
	}
	written := got.Written
	r.Produced, r.NotStored, r.WriterLateMax, r.Floor = written.Due, written.Failed, written.LateMax, written.Floor
	if err := r.drain(ctx, clients); err != nil {
		return err
	}
	r.Missing = written.Stored*int64(r.Connections) - r.Deliveries
	r.DeliveriesPerSec = float64(r.Deliveries) / r.Measure.Seconds()
	r.ServerCores = used.server.Seconds() / r.Measure.Seconds()
	if r.Deliveries > 0 {
		r.MicrosPerDelivery = used.server.Seconds() * 1e6 / float64(r.Deliveries)
		r.ClientMicros = used.clients * 1e6 / float64(r.Deliveries)
	}
	return nil
}

// drain waits until the clients have everything, or nothing more comes.
func (r *result) drain(ctx context.Context, clients *child) error {
	const quiet = 3 * time.Second
	want := r.Produced * int64(r.Connections)
	for last := time.Now(); ; {
		before := r.Deliveries
		if err := r.clients(ctx, clients); err != nil {
			return err
		}
		if r.Deliveries > before {
			last = time.Now()
		}
		if r.Deliveries >= want || time.Since(last) > quiet {
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// clients takes over what the clients report.
func (r *result) clients(ctx context.Context, clients *child) error {
	got, err := clients.ask(ctx, command{Do: "report"})
	if err != nil {
		return err
	}
	r.Open, r.Deliveries, r.Latency = got.Clients.Open, got.Clients.Deliveries, got.Clients.Latency
	maps.Copy(r.Faults, got.Clients.Disconnects)
	maps.Copy(r.Faults, got.Clients.Refusals)
	return nil
}

// memory waits for the server to come to rest and returns what it occupies.
func (p place) memory(ctx context.Context) (int64, error) {
	if p.PID == 0 {
		return 0, nil
	}
	if err := sleep(ctx, p.Settle); err != nil {
		return 0, err
	}
	return residentBytes(p.PID)
}

// usage is the processor time between two moments.
type usage struct {
	server  time.Duration
	clients float64 // seconds
}

func (p place) usage(ctx context.Context, clients *child, begin, end time.Time) (usage, error) {
	var used [2]usage
	for i, at := range []time.Time{begin, end} {
		if err := sleep(ctx, time.Until(at)); err != nil {
			return usage{}, err
		}
		if p.PID != 0 {
			var err error
			if used[i].server, err = cpuTime(p.PID); err != nil {
				return usage{}, err
			}
		}
		got, err := clients.ask(ctx, command{Do: "report"})
		if err != nil {
			return usage{}, err
		}
		used[i].clients = got.Clients.CPUSeconds
	}
	return usage{server: used[1].server - used[0].server, clients: used[1].clients - used[0].clients}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}
