package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sluice/bench/load/scenario"
	"sluice/bench/stack"
)

// peerPause is the time between the start of a peer and its first client.
const peerPause = 2 * time.Second

// measurePeer runs a scenario against a peer, fed by a bridge.
func (o options) measurePeer(ctx context.Context, kafka *stack.Stack, p peer, program, dir, run string, s scenario.Scenario) (res result, err error) {
	s = ofKind(s, p.Kind)
	names, err := topics(ctx, kafka, run, s)
	if err != nil {
		return res, err
	}
	if p.API == "" {
		return o.measureBare(ctx, kafka.Bootstrap(), names, s)
	}
	r, err := p.run(ctx, dir, program)
	if r != nil && r.server != nil {
		defer func() { err = errors.Join(err, r.server.Stop()) }()
	}
	if err != nil {
		return res, err
	}
	bridge, err := startChild(ctx, roleBridge)
	if err != nil {
		return res, err
	}
	defer bridge.stop()
	job := bridgeJob{Brokers: kafka.Bootstrap(), Topic: names[0], API: p.API, Address: r.Publish, Secret: r.secret}
	if p.API == apiPushpin {
		job.Backend = r.Backend
	}
	if _, err := bridge.ask(ctx, command{Do: "open", Bridge: &job}); err != nil {
		return res, err
	}
	// Some peers need a moment until their own processes have connected to each
	// other, which none of them reports.
	if err := sleep(ctx, peerPause); err != nil {
		return res, err
	}
	res, err = measure(ctx, s, place{
		Target:  target{Address: r.Clients, Dialect: p.Dialect, Path: p.Path, Streams: []string{peerChannel}},
		Server:  processes{r.server.PID()},
		Beside:  processes{bridge.cmd.Process.Pid},
		Brokers: kafka.Bootstrap(), Topics: names,
		PerProcess: o.perProcess, PerSource: clientsPerSource, Settle: o.settle,
	})
	res.Server = p.Title
	if _, fault := bridge.ask(ctx, command{Do: "report"}); fault != nil {
		err = errors.Join(err, fault)
	}
	return res, err
}

// ofKind sets the kind of all clients.
func ofKind(s scenario.Scenario, kind string) scenario.Scenario {
	s.Clients = slices.Clone(s.Clients)
	for i := range s.Clients {
		s.Clients[i].Kind = kind
	}
	return s
}

// besideBare compares the results of one scenario with those of bare for the same
// kind of clients, if there are any.
func besideBare(results []result) {
	for _, bare := range results {
		if bare.Unmeasured != "" || !strings.HasPrefix(bare.Server, titleBare+" ") {
			continue
		}
		for i := range results {
			r := &results[i]
			if r.Unmeasured == "" && r.Server != bare.Server && r.Clients[0].Kind == bare.Clients[0].Kind {
				r.beside(bare.phase)
			}
		}
	}
}

// peerScenarios are measured if none is named.
var peerScenarios = []string{"broadcast-100", "broadcast-2000"}

// runPeers measures each scenario on Sluice, with WebSockets and with event streams,
// and on each peer. A peer that is unavailable or fails is listed with the reason,
// and the others are still measured.
func (o options) runPeers(ctx context.Context, kafka *stack.Stack, sluice, dir string, all []scenario.Scenario, progress io.Writer) ([]result, error) {
	beside, err := findPeers(o.peers)
	if err != nil {
		return nil, err
	}
	programs, unprepared := map[string]string{}, map[string]error{}
	for _, p := range beside {
		fmt.Fprintf(progress, "load: preparing %s\n", p.Title)
		if programs[p.Name], err = p.prepare(ctx, o.tree, dir); err != nil {
			unprepared[p.Name] = err
		}
	}
	var results []result
	number := 0
	for _, s := range all {
		// The peers have one channel, and the targets do not apply to them.
		if s.Streams != 1 || s.Vary != nil || s.Storm || s.Publish > 0 || slices.ContainsFunc(s.Clients, func(g scenario.Group) bool { return g.Filter != "" }) {
			return results, fmt.Errorf("measure %s: %w: peers take scenarios of one stream without filters, storms and publishing", s.Name, scenario.ErrInvalid)
		}
		s.Targets, s.Memory = nil, true
		begin := len(results)
		take := func(title string, measured func(run string) (result, error)) {
			number++
			fmt.Fprintf(progress, "load: %s: %s\n", s.Title, title)
			res, err := measured(fmt.Sprintf("load-%d", number))
			res.Server = title
			if err != nil {
				fmt.Fprintf(progress, "load:   %v\n", err)
				res.Scenario, res.Unmeasured = s, err.Error()
			}
			results = append(results, res)
		}
		for _, kind := range kinds {
			take(fmt.Sprintf("Sluice (%s)", map[string]string{scenario.WebSocket: "WebSocket", scenario.SSE: "SSE"}[kind]), func(run string) (result, error) {
				return o.measureOwn(ctx, kafka, sluice, run, ofKind(s, kind))
			})
		}
		for _, p := range beside {
			take(p.Title, func(run string) (result, error) {
				if err := unprepared[p.Name]; err != nil {
					return result{}, err
				}
				return o.measurePeer(ctx, kafka, p, programs[p.Name], dir, run, s)
			})
		}
		besideBare(results[begin:])
		if ctx.Err() != nil {
			return results, fmt.Errorf("measure peers: %w", ctx.Err())
		}
	}
	return results, nil
}
