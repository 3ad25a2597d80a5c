package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"sluice/hub/registry"
)

var (
	registryRequests = prometheus.NewDesc("sluice_registry_requests_total", "Requests to schema registries, by registry and outcome: ok, missing, refused, invalid, away.", []string{"registry", "outcome"}, nil)
	registrySubjects = prometheus.NewDesc("sluice_registry_subjects", "Subjects that are followed, by registry and state: current, stale (the last request failed), unknown (there is no schema yet).", []string{"registry", "state"}, nil)
	registrySchemas  = prometheus.NewDesc("sluice_registry_schemas", "Schemas by whose ids values were written that were read, by registry and state: known, unusable, awaited.", []string{"registry", "state"}, nil)
)

// Describe implements prometheus.Collector.
func (*registries) Describe(to chan<- *prometheus.Desc) {
	to <- registryRequests
	to <- registrySubjects
	to <- registrySchemas
}

// Collect implements prometheus.Collector.
func (r *registries) Collect(to chan<- prometheus.Metric) {
	for name, one := range r.now() {
		now := one.Stats()
		for i, outcome := range registry.Outcomes {
			to <- prometheus.MustNewConstMetric(registryRequests, prometheus.CounterValue, float64(now.Requests[i]), name, string(outcome))
		}
		for state, n := range map[string]int{"known": now.Known, "unusable": now.Unusable, "awaited": now.Awaited} {
			to <- prometheus.MustNewConstMetric(registrySchemas, prometheus.GaugeValue, float64(n), name, state)
		}
		for state, n := range map[string]int{"current": now.Current, "stale": now.Stale, "unknown": now.Unknown} {
			to <- prometheus.MustNewConstMetric(registrySubjects, prometheus.GaugeValue, float64(n), name, state)
		}
	}
}
