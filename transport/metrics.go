package transport

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

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
	m := &metrics{
		paused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_subscriptions_paused", Help: "Open subscriptions that their clients have paused.",
		}),
		subscriptions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_subscriptions", Help: "Open subscriptions.",
		}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_faults_total", Help: "Faults reported to clients, by code.",
		}, []string{"code"}),
		cutOffs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_cut_off_total", Help: "Connections that were closed or lost during a write, by reason.",
		}, []string{"reason"}),
		handshakesRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_handshakes_refused_total", Help: "Connections closed before the TLS handshake because too many came from one address.",
		}),
		publishes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_publishes_total", Help: "Records published by clients, by result: stored, duplicate (of a message id), or the code of the fault.",
		}, []string{"result"}),
		invalid: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_invalid_records_total", Help: "Published records that are invalid, by reason: rule, or the keyword of the schema that is violated first.",
		}, []string{"reason"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_publish_refusals_total", Help: "Records published by clients that were not stored, by reason.",
		}, []string{"reason"}),
		acts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_operator_acts_total", Help: "Acts of operators on sessions and named cursors of this instance, by act.",
		}, []string{"act"}),
		publishSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_publish_seconds", Help: "Time from a publish to the response, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, act := range []string{actKick, actDrain, actMoveCursor, actRemoveCursor} {
		m.acts.WithLabelValues(act)
	}
	for _, reason := range reasons() {
		m.refusals.WithLabelValues(reason)
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_events_sent_total", Help: "Record events delivered to subscribers, by protocol.",
	}, []string{"protocol"})
	gaps := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_gaps_sent_total", Help: "Gaps sent to subscribers, by protocol.",
	}, []string{"protocol"})
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_sent_bytes_total", Help: "Bytes written to sessions, by protocol.",
	}, []string{"protocol"})
	content := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_compressed_content_bytes_total", Help: "Uncompressed size of the delivered shared compressed blocks in bytes, by protocol.",
	}, []string{"protocol"})
	blocks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_compressed_bytes_total", Help: "Compressed size of the delivered shared compressed blocks in bytes, by protocol.",
	}, []string{"protocol"})
	for p := range protocols {
		name := p.String()
		m.content[p], m.blocks[p] = content.WithLabelValues(name), blocks.WithLabelValues(name)
		m.events[p], m.gaps[p], m.sent[p] = events.WithLabelValues(name), gaps.WithLabelValues(name), sent.WithLabelValues(name)
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_sessions", Help: "Open sessions, waiting page requests, bodies whose records are published as they arrive, and publishes that wait for replies, by protocol.",
			ConstLabels: prometheus.Labels{"protocol": name},
		}, func() float64 { return float64(openSessions(p)) }))
	}
	admissions := func(by string, held func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_admissions", Help: "Admissions counted against the session limits, by address and by principal.",
			ConstLabels: prometheus.Labels{"by": by},
		}, func() float64 { return float64(held()) })
	}
	registry.MustRegister(
		admissions("address", func() int { n, _ := g.held(); return n }),
		admissions("principal", func() int { _, n := g.held(); return n }),
	)
	m.invalid.WithLabelValues("rule") // there from the start, so that its increase can be seen
	registry.MustRegister(m.subscriptions, m.paused, m.faults, m.cutOffs, m.handshakesRefused, m.publishes, m.invalid, m.refusals, m.publishSeconds, m.acts, events, gaps, sent, content, blocks,
		newStreamCollector(h, tenants), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
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

// streamCollector reports the state of streams in the hub. The streams of tenants have
// the label tenant, if there are tenants.
type streamCollector struct {
	hub     *hub.Hub
	tenants bool

	live, records, gaps, bytes, log, slow, reported, undecrypted, undecided, users *prometheus.Desc
}

var (
	lateWaiting = prometheus.NewDesc("sluice_late_waiting", "Late subscriptions (behind the stream's log) waiting for Kafka or for their turn.", nil, nil)
	lateBytes   = prometheus.NewDesc("sluice_late_bytes", "Memory used by records read from Kafka for late subscriptions, in bytes.", nil, nil)
	lateReads   = prometheus.NewDesc("sluice_late_reads_total", "Reads from Kafka for late subscriptions.", nil, nil)
	turnSeconds = prometheus.NewDesc("sluice_filter_turns_seconds_total", "Time that filters which are evaluated in turns have taken, in seconds.", nil, nil)
	turnWaiting = prometheus.NewDesc("sluice_filter_turns_waiting", "Filters, subscriptions and searches that wait for a turn in which a filter is evaluated.", nil, nil)
	lateBlocks  = prometheus.NewDesc("sluice_late_blocks_total", "Blocks of records made by reads for late subscriptions.", nil, nil)
)

func newStreamCollector(h *hub.Hub, tenants bool) *streamCollector {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		labels := []string{"stream"}
		if tenants {
			labels = append(labels, "tenant")
		}
		return prometheus.NewDesc(name, help, append(labels, more...), nil)
	}
	return &streamCollector{
		hub: h, tenants: tenants,
		live:     desc("sluice_stream_live", "1 while the stream can be read from Kafka, 0 while reading fails."),
		records:  desc("sluice_stream_records_read_total", "Records read from Kafka into the stream's log."),
		gaps:     desc("sluice_stream_gaps_read_total", "Gaps found while reading the stream from Kafka."),
		bytes:    desc("sluice_stream_events_bytes_total", "Bytes of the events encoded from the records read."),
		log:      desc("sluice_stream_log_bytes", "Memory used by the stream's log in bytes."),
		slow:     desc("sluice_stream_slow_total", "Subscriptions that were live and fell behind the stream's log."),
		reported: desc("sluice_gaps_total", "Gaps reported to subscribers, by stream and reason.", "reason"),
		undecrypted: desc("sluice_stream_undecrypted_records_total",
			"Records read, each time that they are, in which something encrypted could not be decrypted."),
		undecided: desc("sluice_stream_undecided_records_total",
			"Times that the filter of a grant failed on a record, which was not delivered by that grant."),
		users: desc("sluice_stream_subscribers", "Open subscriptions to the stream."),
	}
}

// Describe implements prometheus.Collector.
func (c *streamCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.live, c.records, c.gaps, c.bytes, c.log, c.users, c.slow, c.reported, c.undecrypted, c.undecided,
		lateWaiting, lateBytes, lateReads, lateBlocks, turnSeconds, turnWaiting,
	} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *streamCollector) Collect(metrics chan<- prometheus.Metric) {
	late := c.hub.Late()
	metrics <- prometheus.MustNewConstMetric(lateWaiting, prometheus.GaugeValue, float64(late.Waiting))
	metrics <- prometheus.MustNewConstMetric(lateBytes, prometheus.GaugeValue, float64(late.Bytes))
	metrics <- prometheus.MustNewConstMetric(lateReads, prometheus.CounterValue, float64(late.Fetches))
	metrics <- prometheus.MustNewConstMetric(lateBlocks, prometheus.CounterValue, float64(late.Made))
	turns := c.hub.Evaluations()
	metrics <- prometheus.MustNewConstMetric(turnSeconds, prometheus.CounterValue, turns.Spent.Seconds())
	metrics <- prometheus.MustNewConstMetric(turnWaiting, prometheus.GaugeValue, float64(turns.Waiting))
	for _, info := range c.hub.Streams() {
		c.collect(metrics, &info)
	}
}

func (c *streamCollector) collect(metrics chan<- prometheus.Metric, info *hub.StreamInfo) {
	report := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
		labels := []string{info.Name}
		if c.tenants {
			labels = append(labels, info.Tenant)
		}
		metrics <- prometheus.MustNewConstMetric(d, kind, value, append(labels, more...)...)
	}
	if info.Reading {
		live := 0.0
		if info.Status.Live {
			live = 1
		}
		report(c.live, prometheus.GaugeValue, live)
	}
	report(c.records, prometheus.CounterValue, float64(info.Records))
	report(c.gaps, prometheus.CounterValue, float64(info.Gaps))
	report(c.bytes, prometheus.CounterValue, float64(info.Bytes))
	report(c.log, prometheus.GaugeValue, float64(info.LogBytes))
	report(c.slow, prometheus.CounterValue, float64(info.Slow))
	report(c.undecided, prometheus.CounterValue, float64(info.Undecided))
	for reason, reported := range info.Reported {
		report(c.reported, prometheus.CounterValue, float64(reported), string(reason))
	}
	if info.Encrypted {
		report(c.undecrypted, prometheus.CounterValue, float64(info.Undecrypted))
	}
	report(c.users, prometheus.GaugeValue, float64(info.Subscribers))
}
