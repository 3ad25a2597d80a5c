package audit

import "github.com/prometheus/client_golang/prometheus"

var (
	eventsTotal  = prometheus.NewDesc("sluice_audit_events_total", "Audit events, by sink (log or stream) and result: stored, or why the event was lost (queue_full, refused, shutdown).", []string{"sink", "result"}, nil)
	eventsQueued = prometheus.NewDesc("sluice_audit_queued_events", "Audit events that wait to be stored, by sink.", []string{"sink"}, nil)
)

// Describe implements prometheus.Collector.
func (r *Recorder) Describe(descs chan<- *prometheus.Desc) {
	descs <- eventsTotal
	descs <- eventsQueued
}

// Collect implements prometheus.Collector.
func (r *Recorder) Collect(metrics chan<- prometheus.Metric) {
	for _, l := range r.lanes {
		for of := range results {
			metrics <- prometheus.MustNewConstMetric(eventsTotal, prometheus.CounterValue, float64(l.results[of].Load()), l.name, of.String())
		}
		metrics <- prometheus.MustNewConstMetric(eventsQueued, prometheus.GaugeValue, float64(l.queue.len()), l.name)
	}
}
