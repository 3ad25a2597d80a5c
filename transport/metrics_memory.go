package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"sluice/hub/filter/expr"
)

// registerMemory registers the metrics of what takes much memory, except for the
// memory of streams, which is among their metrics.
func registerMemory(c *Config, pages, windows *clientMemory, awaited func() int64) {
	gauge := func(name, help string, value func() float64) {
		c.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("sluice_conflation_bytes", "Memory used by the keys that conflating subscriptions track, in bytes.",
		func() float64 { return float64(c.Hub.Late().ConflationBytes) })
	gauge("sluice_page_bytes", "Memory used by pages that are being sent, in bytes.",
		func() float64 { return float64(pages.bytes()) })
	gauge("sluice_inflate_bytes", "Memory used by the windows of compressed bodies whose records are being published, in bytes.",
		func() float64 { return float64(windows.bytes()) })
	gauge("sluice_replies_waiting", "Replies that clients wait for, some KB each.",
		func() float64 { return float64(awaited()) })
	gauge("sluice_tokens", "Verified tokens in the cache, about 1 KB each.",
		func() float64 { return float64(c.Auth.Remembered()) })
	gauge("sluice_revocations", "Revocations in force, about 500 bytes each.",
		func() float64 { return float64(c.Auth.Revocations().Len()) })
	if c.Filters != nil {
		registerFilters(c)
	}
	gauge("sluice_delivery_lag_seconds", "How long new records wait for the slowest worker, in seconds.",
		func() float64 { return c.Workers.Lag().Seconds() })
	if c.PublishBytes != nil {
		gauge("sluice_publish_bytes", "Memory used by publishes in flight, in bytes.",
			func() float64 { return float64(c.PublishBytes()) })
	}
}

// registerFilters registers the metrics of compiled filters.
func registerFilters(c *Config) {
	for use, value := range map[string]func(expr.Stats) int{
		"used":   func(s expr.Stats) int { return s.Used },
		"kept":   func(s expr.Stats) int { return s.Kept },
		"grants": func(s expr.Stats) int { return s.Rules },
	} {
		c.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "sluice_filter_bytes",
			Help:        "Memory used by compiled filters, in bytes.",
			ConstLabels: prometheus.Labels{"use": use},
		}, func() float64 { return float64(value(c.Filters.Stats())) }))
	}
	for result, value := range map[string]func(expr.Stats) uint64{
		"ok":      func(s expr.Stats) uint64 { return s.Compiled },
		"refused": func(s expr.Stats) uint64 { return s.Refused },
	} {
		c.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "sluice_filters_compiled_total",
			Help:        "Filters of clients that were compiled, by result.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(value(c.Filters.Stats())) }))
	}
}
