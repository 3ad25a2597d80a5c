package main

import (
	"context"
	"fmt"
	"time"
)

// place says where a scenario runs.
type place struct {
	Target target
	// Server is the server's processes, none where they are not known. Beside
	// are those of what feeds it, if anything does, accounted for on their own.
	Server, Beside processes
	// Metrics is where the server tells its own, empty where it does not.
	Metrics string
	// Profiling is taken while a window is measured.
	Profiling profiling
	Brokers   []string
	// Topics are behind the target's streams, in the same order.
	Topics []string
	// PerProcess is how many clients a process has, PerSource how many share a
	// source address.
	PerProcess, PerSource int
	// Settle is how long nothing is done before memory is read.
	Settle time.Duration
}

// memory waits for the server to come to rest and returns what it occupies.
func (p place) memory(ctx context.Context) (int64, error) {
	if len(p.Server) == 0 {
		return 0, nil
	}
	if err := sleep(ctx, p.Settle); err != nil {
		return 0, err
	}
	return p.Server.resident()
}

// usage is the processor time that has been used up to a moment, and the
// deliveries that have been made by then.
type usage struct {
	server, beside, clients time.Duration
	deliveries, requests    int64
	// machine is everybody's, ours that of all processes of this run.
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
	// Where this cannot be told, it is left out.
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
