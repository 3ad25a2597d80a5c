package main

import (
	"context"
	"time"

	"sluice/bench/load/scenario"
)

// How long to wait for deliveries that are due.
const (
	quiet      = 3 * time.Second        // without any for this long, nothing more is expected
	look       = 100 * time.Millisecond // between two checks
	drainLimit = 30 * time.Second       // after this the rest counts as missing
	burstLimit = 2 * time.Minute
)

// flow measures one window at the scenario's rate.
func (m *measurement) flow(ctx context.Context) (phase, error) { return m.flowWith(ctx, 0, nil) }

// flowWith also calls do, at a time after the window's beginning.
func (m *measurement) flowWith(ctx context.Context, after time.Duration, do func(context.Context) error) (phase, error) {
	begin := time.Now().Add(m.WarmUp)
	end := begin.Add(m.Measure)
	if err := m.window(ctx, window{From: begin.UnixNano(), To: end.UnixNano()}, true); err != nil {
		return phase{}, err
	}
	var p phase
	profiled := make(chan error, 1)
	err := m.account(ctx, &p, begin, func() error {
		go func() { profiled <- m.place.Profiling.take(ctx, m.Measure) }()
		if do != nil {
			if err := sleep(ctx, after); err != nil {
				return err
			}
			if err := do(ctx); err != nil {
				return err
			}
		}
		return sleep(ctx, time.Until(end))
	})
	if err != nil {
		return p, err
	}
	if err := <-profiled; err != nil {
		return p, err
	}
	p.Seconds = m.Measure.Seconds()
	return p, m.finish(ctx, &p)
}

// window sends the window to all processes, and starts the writer.
func (m *measurement) window(ctx context.Context, w window, write bool) error {
	if err := m.clients.window(ctx, w); err != nil {
		return err
	}
	if m.away {
		// The returning clients must receive what was made while they were away.
		if err := m.returning.window(ctx, w); err != nil {
			return err
		}
	}
	if _, err := m.floor.ask(ctx, command{Do: "window", Window: w}); err != nil {
		return err
	}
	if !write {
		return nil
	}
	_, err := m.writer.ask(ctx, command{Do: "run", Window: w, Rate: m.Rate})
	return err
}

// account measures CPU time from a time on, for as long as work takes.
func (m *measurement) account(ctx context.Context, p *phase, from time.Time, work func() error) error {
	if err := sleep(ctx, time.Until(from)); err != nil {
		return err
	}
	before, err := m.place.usage(ctx, m.clients)
	if err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	after, err := m.place.usage(ctx, m.clients)
	if err != nil {
		return err
	}
	used := after.since(before)
	p.ServerCPU, p.BesideCPU, p.ClientCPU = used.server.Seconds(), used.beside.Seconds(), used.clients.Seconds()
	p.OtherCPU = max(used.machine-used.ours, 0).Seconds()
	p.Meanwhile, p.Requests = used.deliveries, max(used.requests, 0)
	return nil
}

// burst writes all records at once, and measures until they are delivered.
func (m *measurement) burst(ctx context.Context) (phase, error) {
	if err := sleep(ctx, m.WarmUp/3); err != nil {
		return phase{}, err
	}
	began := time.Now()
	counted := window{From: began.UnixNano(), To: began.Add(burstLimit).UnixNano()}
	var p phase
	err := m.account(ctx, &p, began, func() error {
		if err := m.window(ctx, counted, true); err != nil {
			return err
		}
		return m.await(ctx, int64(m.Burst)*int64(m.Open), burstLimit)
	})
	if err != nil {
		return p, err
	}
	if err := m.finish(ctx, &p); err != nil {
		return p, err
	}
	got, _, err := m.clients.report(ctx, false)
	p.Seconds = time.Duration(got.Last - began.UnixNano()).Seconds()
	return p, err
}

// finish waits until all written records have arrived, and collects the results.
func (m *measurement) finish(ctx context.Context, p *phase) error {
	got, err := m.writer.ask(ctx, command{Do: "report"})
	if err != nil {
		return err
	}
	written := got.Written
	stored := int64(0)
	for _, n := range written.Stored {
		stored += n
	}
	p.Produced, p.NotStored, p.WriterLateMax, p.FloorAck = written.Due, written.Failed, written.LateMax, written.Ack
	floor, err := m.floor.ask(ctx, command{Do: "report", Records: stored})
	if err != nil {
		return err
	}
	p.Floor = floor.Floor.Latency
	p.Expected = m.expected(written.Stored)
	if err := m.await(ctx, p.Expected, drainLimit); err != nil {
		return err
	}
	seen, latency, err := m.clients.report(ctx, true)
	if err != nil {
		return err
	}
	p.Deliveries, p.Duplicated, p.Foreign, p.Latency = seen.Deliveries, seen.Duplicated, seen.Foreign, latency
	p.Missing = p.Expected - p.Deliveries
	p.ClientReads = seen.Reads
	return nil
}

// expected returns how many deliveries the stored records, counted by key, make.
func (m *measurement) expected(stored []int64) int64 {
	perStream := make([]int64, m.Streams)
	for key, n := range stored {
		perStream[key%m.Streams] += n
	}
	var sum int64
	client := 0
	for _, group := range m.Clients {
		for range group.Count {
			switch group.Filter {
			case scenario.FilterNone:
				sum += perStream[client%m.Streams]
			case scenario.FilterHostile:
			default:
				sum += stored[client%len(stored)]
			}
			client++
		}
	}
	return sum
}

// await waits until a number of deliveries has arrived, or nothing arrives any more:
// a server that is behind still has to deliver records made before the window.
func (m *measurement) await(ctx context.Context, want int64, limit time.Duration) error {
	before, last, end := int64(-1), time.Now(), time.Now().Add(limit)
	for {
		got, _, err := m.clients.report(ctx, false)
		if err != nil {
			return err
		}
		if got.Deliveries >= want {
			return nil
		}
		if got.All > before {
			before, last = got.All, time.Now()
		}
		if time.Since(last) > quiet || time.Now().After(end) {
			return nil
		}
		if err := sleep(ctx, look); err != nil {
			return err
		}
	}
}
