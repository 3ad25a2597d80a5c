package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"sluice/bench/load/scenario"
	"sluice/bench/stack"
)

// runLoad is the main process.
func runLoad(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	if o.list {
		return listScenarios(out)
	}
	var kernel *kernelCost
	if o.url == "" {
		got, err := measureKernel(ctx)
		if err != nil {
			return fmt.Errorf("measure what the kernel takes: %w", err)
		}
		kernel = &got
	}
	results, err := o.run(ctx, progress)
	// Results that were measured before a failure are still printed.
	if len(results) == 0 {
		return err
	}
	rep := report{Machine: machineFacts(ctx), Kernel: kernel, Results: results, Peers: o.peers != ""}
	if o.json {
		err = errors.Join(err, writeJSON(out, rep))
	} else {
		err = errors.Join(err, rep.writeMarkdown(out))
	}
	if o.results != "" {
		err = errors.Join(err, rep.save(o.results))
	}
	for file := range strings.SplitSeq(o.tables, ",") {
		if file == "" || err != nil {
			break
		}
		err = rep.into(file)
	}
	return err
}

func listScenarios(out io.Writer) error {
	p := printer{w: out}
	for _, name := range scenario.Names() {
		s, err := scenario.Find(name)
		if err != nil {
			return err
		}
		p.printf("%-20s %s\n", name, s.Title)
	}
	return p.err
}

// scenarios returns the scenarios that the options select.
func (o options) scenarios() ([]scenario.Scenario, error) {
	names := o.names
	switch {
	case len(names) > 0:
	case o.peers != "":
		names = peerScenarios
	default:
		names = scenario.Names()
	}
	var all []scenario.Scenario
	for _, name := range names {
		s, err := scenario.Find(name)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(s.Name, o.only) {
			continue
		}
		if o.measure > 0 {
			s.Measure = o.measure
		}
		if o.warmUp > 0 {
			s.WarmUp = o.warmUp
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, errors.New("no scenario has such a name")
	}
	return all, nil
}

func (o options) run(ctx context.Context, progress io.Writer) ([]result, error) {
	if o.url == "" {
		return o.runOwn(ctx, progress)
	}
	base, err := url.Parse(o.url)
	if err != nil || base.Scheme != "http" {
		return nil, fmt.Errorf("-url %q: an http:// address is needed", o.url)
	}
	all := []scenario.Scenario{o.scenario()}
	if len(o.names) > 0 {
		if all, err = o.scenarios(); err != nil {
			return nil, err
		}
	}
	var results []result
	for _, s := range all {
		var bare func(scenario.Scenario) (result, error)
		var topics []string
		for i := range s.Streams {
			topics = append(topics, strings.ReplaceAll(o.topic, "{n}", fmt.Sprint(i)))
		}
		if s.Publish > 0 {
			bare = func(s scenario.Scenario) (result, error) {
				return measureProducer(ctx, strings.Split(o.brokers, ","), topics, s)
			}
		}
		got, err := o.variants(s, progress, func(s scenario.Scenario) (result, error) {
			p := place{
				Target:  target{Address: base.Host, Dialect: o.dialect, Path: o.path, Send: o.send, Subprotocol: o.subprotocol, Token: o.token},
				Server:  o.pids,
				Brokers: strings.Split(o.brokers, ","),
				Topics:  topics,
				Settle:  o.settle, PerProcess: o.perProcess, PerSource: clientsPerSource,
			}
			for i := range s.Streams {
				p.Target.Streams = append(p.Target.Streams, strings.ReplaceAll(o.stream, "{n}", fmt.Sprint(i)))
			}
			res, err := measure(ctx, s, p)
			res.Server = o.url
			return res, err
		}, bare)
		results = append(results, got...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// variants runs a scenario once for each value of what it varies, in the configured
// number of rounds, and compares the results with the targets. If a target is
// relative to the peer bare, bare is measured right after the server in one round,
// and right before it in the next. bare is nil if it cannot be measured; a scenario in
// which it fails is measured without it.
func (o options) variants(s scenario.Scenario, progress io.Writer, run, bare func(scenario.Scenario) (result, error)) ([]result, error) {
	var results []result
	runs := s.Variants()
	for i, one := range runs {
		for round := range max(o.rounds, 1) {
			both := []func(scenario.Scenario) (result, error){run}
			if bare != nil && one.BesideBare() {
				both = append(both, bare)
			}
			measured := make([]*result, len(both))
			for n := range both {
				if round%2 == 1 {
					n = len(both) - 1 - n
				}
				fmt.Fprintf(progress, "load: %s (%s)%s\n", one.Title, one.Name, []string{"", ": bare"}[n])
				res, err := both[n](one)
				switch {
				case err == nil:
					measured[n] = &res
				case n == 0:
					return results, fmt.Errorf("measure %s: %w", one.Name, err)
				default: // the server's own figures count without the comparison
					fmt.Fprintf(progress, "load: bare could not be measured: %v\n", err)
				}
			}
			res := measured[0]
			if len(measured) > 1 && measured[1] != nil {
				res.beside(measured[1].phase)
			}
			var first *result
			if i > 0 && i == len(runs)-1 {
				first = &results[0]
			}
			res.judge(first)
			for _, v := range res.Verdicts {
				fmt.Fprintf(progress, "load:   %s: %s\n", v.Target, verdictText(v))
			}
			for _, r := range measured {
				if r != nil {
					results = append(results, *r)
				}
			}
		}
	}
	return results, nil
}

// runOwn runs the scenarios with a Kafka and servers that it starts.
func (o options) runOwn(ctx context.Context, progress io.Writer) (results []result, err error) {
	all, err := o.scenarios()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-load-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := o.program
	if program == "" {
		fmt.Fprintln(progress, "load: building the server")
		if program, err = buildServer(ctx, o.tree, dir); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(progress, "load: starting Kafka")
	kafka, err := stack.Start(ctx, stack.Options{Brokers: 1, Steady: true, HeapMiB: kafkaHeap})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, kafka.Close()) }()
	if err := warmUp(ctx, kafka, o.kafkaWarmUp); err != nil {
		return nil, err
	}
	if o.peers != "" {
		return o.runPeers(ctx, kafka, program, dir, all, progress)
	}
	number := 0
	for _, s := range all {
		run := func() string {
			number++
			return fmt.Sprintf("load-%d", number)
		}
		got, err := o.variants(s, progress, func(s scenario.Scenario) (result, error) {
			return o.measureOwn(ctx, kafka, program, run(), s)
		}, func(s scenario.Scenario) (result, error) {
			names, err := topics(ctx, kafka, run(), s)
			if err != nil {
				return result{}, err
			}
			if s.Publish > 0 {
				return measureProducer(ctx, kafka.Bootstrap(), names, s)
			}
			return o.measureBare(ctx, kafka.Bootstrap(), names, s)
		})
		results = append(results, got...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// kafkaHeap is the broker's heap in MiB: enough to avoid constant garbage
// collection.
const kafkaHeap = 1024

// measureOwn runs a scenario with its own topics and its own server, so that no run
// leaves garbage for the next.
func (o options) measureOwn(ctx context.Context, kafka *stack.Stack, program, run string, s scenario.Scenario) (res result, err error) {
	names, err := topics(ctx, kafka, run, s)
	if err != nil {
		return result{}, err
	}
	registry, closeRegistry, err := startRegistry(s, names)
	if err != nil {
		return result{}, err
	}
	defer closeRegistry()
	server, err := startServer(ctx, program, kafka.Dir, registry, kafka.Bootstrap(), names, s)
	if err != nil {
		return result{}, err
	}
	defer server.stop()
	address, under, title := server.Address, processes{server.cmd.Process.Pid}, "sluice"
	if s.TLS == scenario.TLSNginx {
		front, fault := startFront(ctx, kafka.Dir, address)
		if fault != nil {
			return result{}, fault
		}
		defer func() { err = errors.Join(err, front.Stop()) }()
		address, under, title = front.address, append(under, front.PID()), "nginx and sluice"
	}
	res, err = measure(ctx, s, place{
		Target:     target{Address: address, Dialect: dialectSluice, Streams: names, Subprotocol: o.subprotocol, TLS: s.TLS != scenario.TLSNone},
		Server:     under,
		Metrics:    "http://" + server.Admin + "/metrics",
		Profiling:  o.profiling(server, run, s.Name),
		Brokers:    kafka.Bootstrap(),
		Topics:     names,
		PerProcess: o.perProcess, PerSource: clientsPerSource,
		Settle: o.settle,
	})
	res.Server = title
	if err != nil {
		err = fmt.Errorf("%w: the server's log: %s", err, server.lastLog())
	}
	return res, err
}
