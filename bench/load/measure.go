package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sluice/bench/load/scenario"
)

// measurement is one run of a scenario in progress.
type measurement struct {
	result
	place   place
	clients *fleet
	// returning are the clients that come back, nil if there are none; away is set
	// while they are disconnected.
	returning *fleet
	away      bool
	writer    *child
	floor     *child
}

// measure runs one scenario once.
func measure(ctx context.Context, s scenario.Scenario, p place) (result, error) {
	p.Target.Sources = 1 + (s.Connections()+s.Stalled+s.Returning)/max(p.PerSource, 1)
	m := &measurement{result: result{Scenario: s, Faults: map[string]int{}}, place: p}
	var err error
	if m.clients, err = startFleet(ctx, s.Connections(), p.PerProcess); err != nil {
		return m.result, err
	}
	defer m.clients.stop()
	if s.Returning > 0 {
		if m.returning, err = startFleet(ctx, s.Returning, p.PerProcess); err != nil {
			return m.result, err
		}
		defer m.returning.stop()
	}
	if err := m.connect(ctx); err != nil {
		return m.result, err
	}
	switch {
	case s.Publish > 0:
		if err := m.publish(ctx); err != nil {
			return m.result, err
		}
	case s.Flows():
		if m.floor, err = startChild(ctx, roleFloor); err != nil {
			return m.result, err
		}
		defer m.floor.stop()
		if m.writer, err = startChild(ctx, roleProduce); err != nil {
			return m.result, err
		}
		defer m.writer.stop()
		if err := m.load(ctx); err != nil {
			return m.result, err
		}
	}
	return m.result, m.faults(ctx)
}

// connect opens the clients and measures the memory that they take. The first client
// makes the server open the stream, and is not counted.
func (m *measurement) connect(ctx context.Context) error {
	memory := m.Memory || !m.Flows()
	first := 0
	for _, group := range m.Clients {
		job := m.jobOf(group, first)
		first += group.Count
		if group.Filter == scenario.FilterHostile {
			continue // they connect after a measurement without them
		}
		if m.Open == 0 && group.Count > 0 {
			if err := m.open(ctx, job, 1); err != nil {
				return err
			}
			if len(m.Faults) > 0 {
				if err := m.faults(ctx); err != nil {
					return err
				}
				return fmt.Errorf("%w: the first client got: %v", errServer, slices.Sorted(maps.Keys(m.Faults)))
			}
			job.First++
			group.Count--
			if memory {
				before, err := m.place.memory(ctx)
				if err != nil {
					return err
				}
				m.ServerRSS = before
			}
		}
		if err := m.open(ctx, job, group.Count); err != nil {
			return err
		}
	}
	if !memory {
		return nil
	}
	after, err := m.place.memory(ctx)
	if err != nil {
		return err
	}
	if m.Open > 1 {
		m.BytesPerClient = float64(after-m.ServerRSS) / float64(m.Open-1)
	}
	m.ServerRSS = after
	return nil
}

// jobOf returns the job for a group, whose first client has a number.
func (m *measurement) jobOf(group scenario.Group, first int) openJob {
	return openJob{
		Target: m.place.Target, Kind: group.Kind, First: first, Filter: group.Filter,
		Keys: m.Keys, Resume: m.Storm, Publishes: m.Publish > 0,
	}
}

// beset opens the clients with hostile filters.
func (m *measurement) beset(ctx context.Context) error {
	first := 0
	for _, group := range m.Clients {
		job := m.jobOf(group, first)
		first += group.Count
		if group.Filter != scenario.FilterHostile {
			continue
		}
		if err := m.open(ctx, job, group.Count); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) open(ctx context.Context, job openJob, count int) error {
	if count == 0 {
		return nil
	}
	got, err := m.clients.open(ctx, job, count)
	if err != nil {
		return err
	}
	m.opened(got, count)
	m.Open += got.Made
	m.OpenSeconds += got.Seconds
	return nil
}

func (m *measurement) opened(got openReport, want int) {
	for reason, n := range got.Failed {
		m.Faults[reason] += n
	}
	if missing := want - got.Subscribed; missing > 0 {
		m.Faults["not subscribed"] += missing
	}
}

// load produces records and measures their arrival.
func (m *measurement) load(ctx context.Context) error {
	if _, err := m.floor.ask(ctx, command{Do: "open", Floor: &floorJob{Brokers: m.place.Brokers, Topics: m.place.Topics}}); err != nil {
		return err
	}
	_, err := m.writer.ask(ctx, command{Do: "open", Write: &writeJob{
		Brokers: m.place.Brokers, Topics: m.place.Topics, Partitions: m.Partitions, Keys: m.Keys,
		Rate: m.Rate, Burst: m.Burst, Size: valueSize(m.Scenario), Linger: m.Linger,
	}})
	if err != nil {
		return err
	}
	switch {
	case m.Burst > 0:
		m.phase, err = m.burst(ctx)
	case m.Stalled > 0:
		var before phase
		if before, err = m.flow(ctx); err != nil {
			return err
		}
		m.Before = &before
		if err := m.stall(ctx); err != nil {
			return err
		}
		if m.phase, err = m.flow(ctx); err != nil {
			return err
		}
		if _, err := m.clients.all(ctx, func(int) command { return command{Do: "unstall"} }); err != nil {
			return err
		}
		var after phase
		after, err = m.flow(ctx)
		m.After = &after
	case m.Hostile():
		var before phase
		if before, err = m.flow(ctx); err != nil {
			return err
		}
		m.Before = &before
		if err := m.beset(ctx); err != nil {
			return err
		}
		m.phase, err = m.flow(ctx)
	case m.Returning > 0:
		err = m.comeBack(ctx)
	case m.Storm:
		m.phase, err = m.flowWith(ctx, m.Measure/2, m.cut)
	default:
		m.phase, err = m.flow(ctx)
	}
	m.resident()
	return err
}

// resident notes the server's memory, if it is known.
func (m *measurement) resident() {
	if rss, err := m.place.Server.resident(); err == nil && len(m.place.Server) > 0 {
		m.ServerRSS = rss
	}
}

// stall opens clients that never read.
func (m *measurement) stall(ctx context.Context) error {
	got, err := m.clients.open(ctx, openJob{
		Target: m.place.Target, Kind: m.Clients[0].Kind, First: m.Open, Keys: m.Keys, Stalled: true,
	}, m.Stalled)
	m.opened(got, m.Stalled)
	return err
}

// cut disconnects all clients and has them come back at once.
func (m *measurement) cut(ctx context.Context) error {
	got, err := m.clients.storm(ctx)
	m.opened(got, m.Open)
	m.BackSeconds = got.Seconds
	return err
}

// faults adds the clients' errors to the result.
func (m *measurement) faults(ctx context.Context) error {
	got, _, err := m.clients.report(ctx, false)
	if err != nil {
		return err
	}
	for reason, n := range got.Disconnects {
		m.Faults[reason] += n
	}
	for reason, n := range got.Refusals {
		m.Faults[reason] += n
	}
	return nil
}
