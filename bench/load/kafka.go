package main

import (
	"context"
	"fmt"
	"time"

	"sluice/bench/load/scenario"
	"sluice/bench/stack"
)

// topics creates the topics of one run, named after it, so that no run sees records
// of another.
func topics(ctx context.Context, kafka *stack.Stack, run string, s scenario.Scenario) ([]string, error) {
	names := make([]string, s.Streams)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", run, i)
		if err := kafka.CreateTopic(ctx, names[i], s.Partitions, nil); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// warmUp writes and reads for some seconds, so that the first scenario does not
// measure Java's compilation of Kafka.
func warmUp(ctx context.Context, kafka *stack.Stack, d time.Duration) error {
	s := scenario.Scenario{Streams: 1, Partitions: 6}
	names, err := topics(ctx, kafka, "warm-up", s)
	if err != nil {
		return err
	}
	floor, err := startChild(ctx, roleFloor)
	if err != nil {
		return err
	}
	defer floor.stop()
	writer, err := startChild(ctx, roleProduce)
	if err != nil {
		return err
	}
	defer writer.stop()
	if _, err := floor.ask(ctx, command{Do: "open", Floor: &floorJob{Brokers: kafka.Bootstrap(), Topics: names}}); err != nil {
		return err
	}
	if _, err := writer.ask(ctx, command{Do: "open", Write: &writeJob{
		Brokers: kafka.Bootstrap(), Topics: names, Partitions: s.Partitions, Keys: 60, Rate: 5000, Size: 200,
	}}); err != nil {
		return err
	}
	if _, err := writer.ask(ctx, command{Do: "run", Window: window{To: time.Now().Add(d).UnixNano()}}); err != nil {
		return err
	}
	_, err = writer.ask(ctx, command{Do: "report"})
	return err
}
