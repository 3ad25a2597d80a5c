package app

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/cmd/sluice/config"
	"sluice/hub/registry"
)

// registries are the schema registries by name. It is a prometheus.Collector.
type registries map[string]*registry.Registry

func newRegistries(c *config.Config, logger *slog.Logger) (registries, error) {
	made := registries{}
	for name, r := range c.Registries {
		secured, err := r.TLS.Load()
		if err != nil {
			return nil, fmt.Errorf("registries/%s/tls: %w", name, err)
		}
		made[name], err = registry.New(registry.Config{
			URLs: r.URLs, Username: r.Username, Secret: r.Secret(), TLS: secured, Timeout: r.Timeout, Refresh: r.Refresh, Wait: r.Wait,
			Bounds: registry.Bounds{Schemas: r.Schemas, Bytes: int(r.Memory), Awaited: r.Awaited},
			Logger: logger.With("component", "registry", "registry", name),
		})
		if err != nil {
			return nil, fmt.Errorf("registries/%s: %w", name, err)
		}
	}
	return made, nil
}

// parts returns the registries. A server starts while one is away, as it can do without.
func (r registries) parts() []part {
	var parts []part
	for _, name := range slices.Sorted(maps.Keys(r)) {
		parts = append(parts, part{name: "schema registry " + name, start: r[name].Start, run: r[name].Run})
	}
	return parts
}

// keep ends the following of all subjects but those of some schemas.
func (r registries) keep(of *schemas) {
	list := slices.Collect(maps.Values(of.subjects))
	for _, one := range r {
		one.Keep(list)
	}
}

var (
	registryRequests = prometheus.NewDesc("sluice_registry_requests_total", "Requests to schema registries, by registry and outcome: ok, missing, refused, invalid, away.", []string{"registry", "outcome"}, nil)
	registrySubjects = prometheus.NewDesc("sluice_registry_subjects", "Subjects that are followed, by registry and state: current, stale (the last request failed), unknown (there is no schema yet).", []string{"registry", "state"}, nil)
	registrySchemas  = prometheus.NewDesc("sluice_registry_schemas", "Schemas by whose ids values were written that were read, by registry and state: known, unusable, awaited.", []string{"registry", "state"}, nil)
)

// Describe implements prometheus.Collector.
func (registries) Describe(to chan<- *prometheus.Desc) {
	to <- registryRequests
	to <- registrySubjects
	to <- registrySchemas
}

// Collect implements prometheus.Collector.
func (r registries) Collect(to chan<- prometheus.Metric) {
	for name, one := range r {
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
