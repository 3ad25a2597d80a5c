package main

import (
	"context"
	"fmt"
	"time"
)

// place is the environment in which a scenario runs.
type place struct {
	Target target
	// Server are the server's processes, none if they are unknown. Beside are those
	// of the bridge that feeds it, if there is one, accounted for separately.
	Server, Beside processes
	// Metrics is the address of the server's own metrics, empty if it has none.
	Metrics string
	// Profiling is done while a window is measured.
	Profiling profiling
	Brokers   []string
	// Topics are the topics of the target's streams, in the same order.
	Topics []string
	// PerProcess is how many clients a process has, PerSource how many share a
	// source address.
	PerProcess, PerSource int
	// Settle is how long to wait before memory is read.
	Settle time.Duration
}

// memory waits for the server to become idle and returns its resident memory.
func (p place) memory(ctx context.Context) (int64, error) {
	if len(p.Server) == 0 {
		return 0, nil
	}
	if err := sleep(ctx, p.Settle); err != nil {
		return 0, err
	}
	return p.Server.resident()
}

// usage is the CPU time used up to a time, and the deliveries made by then.
type usage struct {
	server, beside, clients time.Duration
	deliveries, requests    int64
	// machine is the CPU time of all processes, ours that of all processes of this
	// run.
	machine, ours time.Duration
}

func (p place) usage(ctx context.Context, clients *fleet) (usage, error) {
	var u usage
	var err error
	if len(p.Server) > 0 {
		if u.server, err = p.Server.cpu(); err != nil {
			return u, err
		}
	}
	// If this is unknown, it is omitted.
	if u.requests, err = p.Server.requests(brokerPorts(p.Brokers)); err != nil {
		u.requests = 0
	}
	if len(p.Beside) > 0 {
		if u.beside, err = p.Beside.cpu(); err != nil {
			return u, err
		}
	}
	if u.machine, err = machineBusy(); err != nil {
		return u, err
	}
	if u.ours, err = p.ourCPU(); err != nil {
		return u, err
	}
	got, _, err := clients.report(ctx, false)
	u.deliveries = got.All + got.Published
	u.clients = time.Duration(got.CPUSeconds * float64(time.Second))
	return u, err
}

func (u usage) since(before usage) usage {
	return usage{
		u.server - before.server, u.beside - before.beside, u.clients - before.clients,
		u.deliveries - before.deliveries, u.requests - before.requests,
		u.machine - before.machine, u.ours - before.ours,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}
