package transport

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sluice/hub"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// metrics counts what operators want to know. Labels have few values: none comes
// from a client.
type metrics struct {
	events, gaps, sent [protocols]prometheus.Counter
	content, blocks    [protocols]prometheus.Counter
	subscriptions      prometheus.Gauge
	paused             prometheus.Gauge
	faults             *prometheus.CounterVec
	cutOffs            *prometheus.CounterVec
	handshakesRefused  prometheus.Counter
	publishes, invalid *prometheus.CounterVec
	refusals           *prometheus.CounterVec
	publishSeconds     prometheus.Histogram
	acts               *prometheus.CounterVec
}

// The acts of operators, as they are counted.
const (
	actKick  = "kick"
	actDrain = "drain"

	actMoveCursor   = "move_cursor"
	actRemoveCursor = "remove_cursor"
)

func newMetrics(registry *prometheus.Registry, h *hub.Hub, openSessions func(protocol) int, g *gate, tenants bool) *metrics {
	with := promauto.With(registry)
	gauge := func(name, help string) prometheus.Gauge {
		return with.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	counters := func(label, name, help string) *prometheus.CounterVec {
		return with.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		subscriptions: gauge("sluice_subscriptions", "Open subscriptions."),
		paused:        gauge("sluice_subscriptions_paused", "Open subscriptions that their clients have paused."),
		faults:        counters("code", "sluice_faults_total", "Faults reported to clients, by code."),
		cutOffs:       counters("reason", "sluice_cut_off_total", "Connections that were closed or lost during a write, by reason."),
		handshakesRefused: with.NewCounter(prometheus.CounterOpts{
			Name: "sluice_handshakes_refused_total", Help: "Connections closed before the TLS handshake because too many came from one address.",
		}),
		publishes: counters("result", "sluice_publishes_total",
			"Records published by clients, by result: stored, duplicate (of a message id), or the code of the fault."),
		invalid: counters("reason", "sluice_invalid_records_total",
			"Published records that are invalid, by reason: rule, or the keyword of the schema that is violated first."),
		refusals: counters("reason", "sluice_publish_refusals_total", "Records published by clients that were not stored, by reason."),
		acts:     counters("act", "sluice_operator_acts_total", "Acts of operators on sessions and named cursors of this instance, by act."),
		publishSeconds: with.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_publish_seconds", Help: "Time from a publish to the response, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	events := counters("protocol", "sluice_events_sent_total", "Record events delivered to subscribers, by protocol.")
	gaps := counters("protocol", "sluice_gaps_sent_total", "Gaps sent to subscribers, by protocol.")
	sent := counters("protocol", "sluice_sent_bytes_total", "Bytes written to sessions, by protocol.")
	content := counters("protocol", "sluice_compressed_content_bytes_total",
		"Uncompressed size of the delivered shared compressed blocks in bytes, by protocol.")
	blocks := counters("protocol", "sluice_compressed_bytes_total",
		"Compressed size of the delivered shared compressed blocks in bytes, by protocol.")
	for p := range protocols {
		name := p.String()
		m.content[p], m.blocks[p] = content.WithLabelValues(name), blocks.WithLabelValues(name)
		m.events[p], m.gaps[p], m.sent[p] = events.WithLabelValues(name), gaps.WithLabelValues(name), sent.WithLabelValues(name)
	}
	m.start()
	watchSessions(with, openSessions, g)
	registry.MustRegister(newStreamCollector(h, tenants), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// start has the counters whose labels are known there from the start, so that their first
// increase can be seen.
func (m *metrics) start() {
	for _, act := range []string{actKick, actDrain, actMoveCursor, actRemoveCursor} {
		m.acts.WithLabelValues(act)
	}
	for _, reason := range reasons() {
		m.refusals.WithLabelValues(reason)
	}
	m.invalid.WithLabelValues("rule")
}

// watchSessions registers the numbers of sessions, and of admissions.
func watchSessions(with promauto.Factory, openSessions func(protocol) int, g *gate) {
	watch := func(label, value, name, help string, count func() int) {
		with.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{label: value},
		}, func() float64 { return float64(count()) })
	}
	for p := range protocols {
		watch("protocol", p.String(), "sluice_sessions",
			"Open sessions, waiting page requests, bodies whose records are published as they arrive, and publishes that wait for replies, by protocol.",
			func() int { return openSessions(p) })
	}
	const name, help = "sluice_admissions", "Admissions counted against the session limits, by address and by principal."
	watch("by", "address", name, help, func() int { n, _ := g.held(); return n })
	watch("by", "principal", name, help, func() int { _, n := g.held(); return n })
}

func (m *metrics) delivered(p protocol, events, gaps int) {
	if events > 0 {
		m.events[p].Add(float64(events))
	}
	if gaps > 0 {
		m.gaps[p].Add(float64(gaps))
	}
}

// compressed counts what is sent in shared compressed blocks.
func (m *metrics) compressed(p protocol, content, bytes int) {
	if content == 0 {
		return
	}
	m.content[p].Add(float64(content))
	m.blocks[p].Add(float64(bytes))
}

func (m *metrics) bytes(p protocol, n int) {
	if n > 0 {
		m.sent[p].Add(float64(n))
	}
}

func (m *metrics) fault(code wire.Code) { m.faults.WithLabelValues(string(code)).Inc() }

func (m *metrics) cutOff(err error) {
	reason := "broken"
	if errors.Is(err, errNoProgress) {
		reason = "no_progress"
	}
	m.cutOffs.WithLabelValues(reason).Inc()
}

func (m *metrics) published(results []upstream.Stored, took time.Duration) {
	m.publishSeconds.Observe(took.Seconds())
	for _, stored := range results {
		result := "stored"
		switch {
		case stored.Duplicate:
			result = "duplicate"
		case stored.Err != nil:
			result = string(faultOf(stored.Err).Code)
			m.refusals.WithLabelValues(refusalOf(stored.Err)).Inc()
		}
		m.publishes.WithLabelValues(result).Inc()
		if invalid, ok := invalidIn(stored.Err); ok {
			m.invalid.WithLabelValues(invalid.Reason()).Inc()
		}
	}
}

// invalidIn returns why a record is invalid that was refused, or kept as a dead letter.
func invalidIn(err error) (*ingest.InvalidError, bool) {
	if kept, ok := errors.AsType[*ingest.DeadLetteredError](err); ok {
		err = kept.Cause
	}
	return errors.AsType[*ingest.InvalidError](err)
}
