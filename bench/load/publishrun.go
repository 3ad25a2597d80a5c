package main

import (
	"context"
	"errors"
	"time"

	"sluice/bench/load/scenario"
)

// answerLimit is how long after the end of a window an answer may come. Later ones are
// missing.
const answerLimit = 5 * time.Second

// publish has the clients publish, and measures the answers.
func (m *measurement) publish(ctx context.Context) error {
	begin := time.Now().Add(m.WarmUp)
	end := begin.Add(m.Measure)
	counted := window{From: begin.UnixNano(), To: end.UnixNano()}
	if err := m.clients.window(ctx, counted); err != nil {
		return err
	}
	if err := m.clients.publish(ctx, m.Scenario, m.place.Target.Streams[0], counted); err != nil {
		return err
	}
	m.phase = phase{Seconds: m.Measure.Seconds()}
	profiled := make(chan error, 1)
	err := m.account(ctx, &m.phase, begin, func() error {
		go func() { profiled <- m.place.Profiling.take(ctx, m.Measure) }()
		return sleep(ctx, time.Until(end))
	})
	if err != nil {
		return err
	}
	if err := <-profiled; err != nil {
		return err
	}
	got, summed, err := m.answered(ctx)
	if err != nil {
		return err
	}
	m.Produced, m.Expected, m.Deliveries, m.Latency = got.PublishesDue, got.PublishesDue, got.Published, summed
	m.Missing = got.PublishesDue - got.Published
	m.resident()
	return nil
}

// answered waits until all publishes of the window are answered, or for answerLimit.
func (m *measurement) answered(ctx context.Context) (clientsReport, summary, error) {
	for late := time.Now().Add(answerLimit); ; {
		got, summed, err := m.clients.report(ctx, true)
		if err != nil || got.PublishesDue > 0 && got.Published >= got.PublishesDue || time.Now().After(late) {
			return got, summed, err
		}
		if err := sleep(ctx, look); err != nil {
			return got, summed, err
		}
	}
}

// measureProducer measures the peer bare of scenarios that publish: a process with an
// idempotent producer, in which each record that is due is produced by a call of its
// own, without waiting for others.
func measureProducer(ctx context.Context, brokers, topics []string, s scenario.Scenario) (result, error) {
	s.Targets = nil
	m := &measurement{
		result:  result{Scenario: s, Server: titleBare, Open: 1},
		place:   place{Brokers: brokers, Topics: topics},
		clients: &fleet{},
	}
	var err error
	if m.writer, err = startChild(ctx, roleProduce); err != nil {
		return m.result, err
	}
	defer m.writer.stop()
	m.place.Server = processes{m.writer.cmd.Process.Pid}
	_, err = m.writer.ask(ctx, command{Do: "open", Write: &writeJob{
		Brokers: brokers, Topics: topics, Partitions: s.Partitions, Keys: s.Keys,
		Rate: s.Publish, Batch: s.Batch, Size: valueSize(s), Keyed: true,
	}})
	if err != nil {
		return m.result, err
	}
	begin := time.Now().Add(s.WarmUp)
	end := begin.Add(s.Measure)
	if _, err := m.writer.ask(ctx, command{Do: "run", Window: window{From: begin.UnixNano(), To: end.UnixNano()}}); err != nil {
		return m.result, err
	}
	m.phase = phase{Seconds: s.Measure.Seconds()}
	if err := m.account(ctx, &m.phase, begin, func() error { return sleep(ctx, time.Until(end)) }); err != nil {
		return m.result, err
	}
	got, err := m.writer.ask(ctx, command{Do: "report"})
	if err != nil {
		return m.result, err
	}
	m.resident()
	for _, n := range got.Written.Stored {
		m.Deliveries += n
	}
	m.Produced, m.Expected, m.Meanwhile, m.NotStored = got.Written.Due, got.Written.Due, m.Deliveries, got.Written.Failed
	m.Missing, m.WriterLateMax, m.Latency = m.Expected-m.Deliveries, got.Written.LateMax, got.Written.Ack
	if m.Missing > 0 {
		// Lost records would make it look fast.
		return m.result, errors.New("the bare producer did not store everything")
	}
	return m.result, nil
}
