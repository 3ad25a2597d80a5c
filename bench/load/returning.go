package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/bench/load/scenario"
)

// returnLimit bounds how long returning clients may take to catch up.
const returnLimit = time.Minute

// awayWarmUp is long enough for all processes to receive the window.
const awayWarmUp = 200 * time.Millisecond

// returned is what the returning clients received of the records that were measured
// while they were away.
type returned struct {
	Clients int `json:"clients"`
	// Each is how many of them each client missed, and Expected the sum over all
	// clients.
	Each       int64 `json:"each"`
	Expected   int64 `json:"expected"`
	Missing    int64 `json:"missing"`
	Duplicated int64 `json:"duplicated"`
	// Reads is how often the server read Kafka for them, and Blocks how many blocks
	// that made, by its own metrics.
	Reads  int64 `json:"reads,omitempty"`
	Blocks int64 `json:"blocks,omitempty"`
}

// The server's metrics of reads for late subscriptions.
const (
	lateReadsMetric  = "sluice_late_reads_total"
	lateBlocksMetric = "sluice_late_blocks_total"
)

// comeBack measures with all clients, without the returning ones, from the time when
// they come back, and with all clients again.
func (m *measurement) comeBack(ctx context.Context) error {
	got, err := m.returning.open(ctx, openJob{
		Target: m.place.Target, Kind: scenario.WebSocket, First: m.Open, Keys: m.Keys, Resume: true,
	}, m.Returning)
	if err != nil {
		return err
	}
	m.opened(got, m.Returning)
	before, err := m.flow(ctx)
	if err != nil {
		return err
	}
	missed, err := m.stayAway(ctx)
	if err != nil {
		return err
	}
	reads, blocks := m.lateReads(ctx)
	m.phase, err = m.flowWith(ctx, 0, func(ctx context.Context) error {
		began := time.Now()
		got, err := m.returning.comeBack(ctx)
		if err != nil {
			return err
		}
		m.opened(got, m.Returning)
		return m.awaitReturned(ctx, began)
	})
	if err != nil {
		return err
	}
	back := &returned{Clients: m.Returning, Each: missed, Expected: missed * int64(m.Returning)}
	back.Reads, back.Blocks = m.lateReads(ctx)
	back.Reads -= reads
	back.Blocks -= blocks
	seen, _, err := m.returning.report(ctx, false)
	if err != nil {
		return err
	}
	for reason, n := range seen.Disconnects {
		m.Faults[reason] += n
	}
	for reason, n := range seen.Refusals {
		m.Faults[reason] += n
	}
	back.Missing, back.Duplicated = back.Expected-seen.Deliveries, seen.Duplicated
	after, err := m.flow(ctx)
	m.Before, m.After, m.Returned = &before, &after, back
	return err
}

// stayAway disconnects the returning clients, and returns how many of the counted
// records each has missed.
func (m *measurement) stayAway(ctx context.Context) (missed int64, err error) {
	if err := m.returning.leave(ctx); err != nil {
		return 0, err
	}
	usual := m.Scenario
	m.away, m.Measure, m.WarmUp = true, m.Away, awayWarmUp
	if m.AwayRate > 0 {
		m.Rate = m.AwayRate
	}
	p, err := m.flow(ctx)
	m.away, m.Scenario = false, usual
	return p.Expected / int64(m.Open), err
}

// awaitReturned waits until all returning clients have caught up.
func (m *measurement) awaitReturned(ctx context.Context, began time.Time) error {
	for {
		seen, _, err := m.returning.report(ctx, false)
		if err != nil {
			return err
		}
		if seen.Back == m.Returning {
			m.BackSeconds = time.Unix(0, seen.BackLast).Sub(began).Seconds()
			return nil
		}
		if time.Since(began) > returnLimit {
			m.Faults["not caught up"] += m.Returning - seen.Back
			m.BackSeconds = returnLimit.Seconds()
			return nil
		}
		if err := sleep(ctx, look); err != nil {
			return err
		}
	}
}

// lateReads returns the server's reads for late subscriptions, and the blocks that
// they made; zeros if the server does not report them.
func (m *measurement) lateReads(ctx context.Context) (reads, blocks int64) {
	found, err := scrape(ctx, m.place.Metrics)
	if err != nil {
		return 0, 0
	}
	return found[lateReadsMetric], found[lateBlocksMetric]
}

// scrape reads the metrics without labels that have integer values.
func scrape(ctx context.Context, url string) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	found := map[string]int64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); ok && err == nil {
			found[name] = int64(value)
		}
	}
	return found, lines.Err()
}
