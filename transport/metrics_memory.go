package transport

import "github.com/prometheus/client_golang/prometheus"

// registerMemory registers the metrics of what takes much memory, except for the
// memory of streams, which is among their metrics.
func registerMemory(c *Config, pages *pageMemory) {
	gauge := func(name, help string, value func() float64) {
		c.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("sluice_conflation_bytes", "Memory used by the keys that conflating subscriptions track, in bytes.",
		func() float64 { return float64(c.Hub.Late().ConflationBytes) })
	gauge("sluice_page_bytes", "Memory used by pages that are being sent, in bytes.",
		func() float64 { return float64(pages.bytes()) })
	gauge("sluice_tokens", "Verified tokens in the cache, about 1 KB each.",
		func() float64 { return float64(c.Auth.Remembered()) })
	gauge("sluice_revocations", "Revocations in force, about 500 bytes each.",
		func() float64 { return float64(c.Auth.Revocations().Len()) })
	if c.PublishBytes != nil {
		gauge("sluice_publish_bytes", "Memory used by publishes in flight, in bytes.",
			func() float64 { return float64(c.PublishBytes()) })
	}
}
