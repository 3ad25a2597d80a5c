package main

import (
	"context"
	"fmt"
	"time"

	"sluice/bench/stack"
)

// partitions is how many a measured topic has.
const partitions = 6

// measureOwn runs a scenario on a topic of its own and against a server of its
// own, so that none leaves its garbage to the next.
func (s scenario) measureOwn(ctx context.Context, kafka *stack.Stack, program string, number int, settle time.Duration) (result, error) {
	topic := fmt.Sprintf("load-%d", number)
	if err := kafka.CreateTopic(ctx, topic, partitions, nil); err != nil {
		return result{}, err
	}
	server, err := startServer(ctx, program, kafka.Dir, kafka.Bootstrap(), topic)
	if err != nil {
		return result{}, err
	}
	defer server.stop()
	res, err := s.measure(ctx, place{
		Target:     target{Address: server.Address, Stream: streamName},
		PID:        server.cmd.Process.Pid,
		Brokers:    kafka.Bootstrap(),
		Topic:      topic,
		SourcesPer: connectionsPerSource,
		Settle:     settle,
	})
	if err != nil {
		err = fmt.Errorf("%w: the server's log: %s", err, server.lastLog())
	}
	return res, err
}
