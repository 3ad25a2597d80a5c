package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// measure is what the instance holds, and what it reports to hold.
type measure struct {
	heap       int // live, in bytes
	accounted  int // by its metrics, in bytes
	goroutines int
	files      int // descriptors
	keys       int // of Redis
	// open sums what clients hold: sessions, admissions, subscriptions, publishes
	// and late subscriptions; all zero once the clients have disconnected.
	open map[string]float64
	// reading is the number of streams that are read.
	reading int
}

// accounts are the metrics of memory, and open those of what clients hold.
var (
	accounts = map[string]float64{
		"sluice_stream_log_bytes": 1, "sluice_late_bytes": 1, "sluice_publish_bytes": 1, "sluice_conflation_bytes": 1,
		"sluice_tokens": 1 << 10,
	}
	open = []string{
		"sluice_sessions", "sluice_admissions", "sluice_subscriptions", "sluice_stream_subscribers", "sluice_late_waiting",
		"sluice_publish_bytes", "sluice_conflation_bytes",
	}
)

// ask returns the response of the admin listener. A status other than 200 is an
// error. It keeps no connection, which would be one of the instance's descriptors.
func (s *stage) ask(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return "", err
	}
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	response, err := web.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the instance answers %s with %s: %.500s", path, response.Status, body)
	}
	return string(body), nil
}

// collections is the number of garbage collections before the heap is measured:
// pooled objects are freed by the second, objects with finalizers after that.
const collections = 3

// look measures: first the metrics and then the heap, which must not hold what the
// metrics no longer report.
func (s *stage) look(ctx context.Context) (measure, error) {
	m := measure{open: make(map[string]float64)}
	metrics, err := s.ask(ctx, "/metrics")
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(metrics) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if series == "#" {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		name, _, _ := strings.Cut(series, "{")
		n, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		if err != nil {
			return m, fmt.Errorf("read metrics: %s is %q: %w", series, value, err)
		}
		m.accounted += int(accounts[name] * n)
		for _, of := range open {
			if of == name {
				m.open[name] += n
			}
		}
		switch name {
		case "go_goroutines":
			m.goroutines = int(n)
		case "process_open_fds":
			m.files = int(n)
		case "sluice_stream_live":
			m.reading++
		}
	}
	var profile string
	for range collections {
		if profile, err = s.ask(ctx, "/debug/pprof/heap?gc=1&debug=1"); err != nil {
			return m, err
		}
	}
	_, rest, ok := strings.Cut(profile, "# HeapAlloc = ")
	text, _, _ := strings.Cut(rest, "\n")
	if m.heap, err = strconv.Atoi(text); !ok || err != nil {
		return m, errors.New("the profile of the heap does not say how large it is")
	}
	size, err := s.store.DBSize(ctx).Result()
	if err != nil {
		return m, fmt.Errorf("ask redis: %w", err)
	}
	m.keys = int(size)
	return m, nil
}

// left lists what is still open although all clients have disconnected, empty for
// nothing.
func (m measure) left() string {
	var left []string
	for _, name := range open {
		if m.open[name] != 0 {
			left = append(left, fmt.Sprintf("%s is %v", name, m.open[name]))
		}
	}
	if m.reading > 0 {
		left = append(left, fmt.Sprintf("%d streams are read", m.reading))
	}
	return strings.Join(left, ", ")
}

// settleWithin bounds the time, once all clients have disconnected, until nothing of
// them is left. It is not a measure of speed: timeouts of the protocol, and of idle
// connections to Kafka, are seconds.
const settleWithin = 90 * time.Second

// settled measures until the instance is idle, or the time is up.
func (s *stage) settled(ctx context.Context, rest func(measure) bool) (measure, error) {
	for deadline := time.Now().Add(settleWithin); ; {
		m, err := s.look(ctx)
		if err != nil || rest(m) || time.Now().After(deadline) {
			return m, err
		}
		select {
		case <-ctx.Done():
			return m, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
