package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth/webhook"
)

// webhookMetrics are the metrics of the webhook. It is a prometheus.Collector.
type webhookMetrics struct {
	requests, unasked *prometheus.CounterVec
	seconds           prometheus.Histogram

	// hook is set before the first collection.
	hook *webhook.Hook
}

var (
	webhookOpen   = prometheus.NewDesc("sluice_webhook_breaker_open", "1 while the webhook has failed and is asked every two seconds only.", nil, nil)
	webhookCached = prometheus.NewDesc("sluice_webhook_cached_answers", "Answers of the webhook in the cache, by answer: yes or no.", []string{"answer"}, nil)
)

func newWebhookMetrics() *webhookMetrics {
	m := &webhookMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhook_requests_total", Help: "Requests to the webhook, by event and outcome: yes, no, invalid, away.",
		}, []string{"event", "outcome"}),
		unasked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhook_unasked_total", Help: "Questions for which no request to the webhook was made, by event and reason: cached, shared, busy, broken.",
		}, []string{"event", "reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_webhook_request_seconds", Help: "Time of a request to the webhook, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, event := range []webhook.Event{webhook.Connect, webhook.Subscribe, webhook.Publish} {
		for _, outcome := range webhook.Outcomes() {
			m.counter(event, outcome)
		}
	}
	return m
}

func (m *webhookMetrics) counter(e webhook.Event, o webhook.Outcome) prometheus.Counter {
	if o.Requested() {
		return m.requests.WithLabelValues(string(e), string(o))
	}
	return m.unasked.WithLabelValues(string(e), string(o))
}

func (m *webhookMetrics) observe(e webhook.Event, o webhook.Outcome, took time.Duration) {
	m.counter(e, o).Inc()
	if o.Requested() {
		m.seconds.Observe(took.Seconds())
	}
}

// Describe implements prometheus.Collector.
func (m *webhookMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, one := range []prometheus.Collector{m.requests, m.unasked, m.seconds} {
		one.Describe(to)
	}
	to <- webhookOpen
	to <- webhookCached
}

// Collect implements prometheus.Collector.
func (m *webhookMetrics) Collect(to chan<- prometheus.Metric) {
	for _, one := range []prometheus.Collector{m.requests, m.unasked, m.seconds} {
		one.Collect(to)
	}
	open := 0.0
	if m.hook.Open() {
		open = 1
	}
	yes, no := m.hook.Cached()
	to <- prometheus.MustNewConstMetric(webhookOpen, prometheus.GaugeValue, open)
	to <- prometheus.MustNewConstMetric(webhookCached, prometheus.GaugeValue, float64(yes), "yes")
	to <- prometheus.MustNewConstMetric(webhookCached, prometheus.GaugeValue, float64(no), "no")
}
