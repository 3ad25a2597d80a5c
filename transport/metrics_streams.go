package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"sluice/hub"
)

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
