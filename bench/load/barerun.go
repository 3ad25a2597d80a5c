package main

import (
	"context"
	"fmt"

	"sluice/bench/load/scenario"
)

// titleBare is the name of the peer bare in tables.
const titleBare = "bare"

// measureBare runs a scenario against the peer bare. Targets are for Sluice only.
func (o options) measureBare(ctx context.Context, brokers, names []string, s scenario.Scenario) (result, error) {
	s.Targets = nil
	server, err := startChild(ctx, roleBare)
	if err != nil {
		return result{}, err
	}
	defer server.stop()
	opened, err := server.ask(ctx, command{Do: "open", Bare: &bareJob{Brokers: brokers, Topics: names}})
	if err != nil {
		return result{}, err
	}
	res, err := measure(ctx, s, place{
		Target:  target{Address: opened.Bare.Address, Dialect: dialectSluice, Streams: names, Subprotocol: o.subprotocol},
		Server:  processes{server.cmd.Process.Pid},
		Brokers: brokers, Topics: names,
		PerProcess: o.perProcess, PerSource: clientsPerSource, Settle: o.settle,
	})
	res.Server = titleBare
	if err != nil {
		return res, err
	}
	if _, err := server.ask(ctx, command{Do: "report"}); err != nil {
		return res, err
	}
	// Lost records would make it look fast.
	if res.Missing > 0 || len(res.Faults) > 0 {
		return res, fmt.Errorf("%w: bare: %d deliveries are missing: %v", errServer, res.Missing, res.Faults)
	}
	return res, nil
}
