package transport

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/hub/upstream"
)

// tenants count what the clients of each tenant are sent and store, as far as there are
// not more tenants than have metrics of their own.
type tenants struct {
	limits func() *Limits
	// held returns how many sessions a tenant has.
	held func(tenant string) int

	mu  sync.RWMutex
	all map[string]*tenant
}

// tenant counts for one tenant. A nil tenant counts nothing.
type tenant struct {
	events, gaps, bytes atomic.Uint64
	stored, notStored   atomic.Uint64
}

func newTenants(limits func() *Limits, held func(string) int) *tenants {
	return &tenants{limits: limits, held: held, all: make(map[string]*tenant)}
}

// of returns what counts for a tenant: nil without a tenant, or if as many tenants as may
// have metrics of their own have sessions.
func (t *tenants) of(id string) *tenant {
	most := t.limits().TenantMetrics
	if id == "" || most == 0 {
		return nil
	}
	t.mu.RLock()
	found := t.all[id]
	t.mu.RUnlock()
	if found != nil {
		return found
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.all[id]; found != nil {
		return found
	}
	if len(t.all) >= most && !t.forgetOne() {
		return nil
	}
	made := &tenant{}
	t.all[id] = made
	return made
}

// forgetOne removes a tenant without sessions. The caller holds the lock.
func (t *tenants) forgetOne() bool {
	for id := range t.all {
		if t.held(id) == 0 {
			delete(t.all, id)
			return true
		}
	}
	return false
}

func (t *tenant) delivered(events, gaps int) {
	if t == nil || events == 0 && gaps == 0 {
		return
	}
	t.events.Add(uint64(events))
	t.gaps.Add(uint64(gaps))
}

func (t *tenant) sent(bytes int) {
	if t != nil && bytes > 0 {
		t.bytes.Add(uint64(bytes))
	}
}

func (t *tenant) published(results []upstream.Stored) {
	if t == nil {
		return
	}
	for i := range results {
		switch {
		case results[i].Duplicate: // counted the first time
		case results[i].Err == nil:
			t.stored.Add(1)
		default:
			t.notStored.Add(1)
		}
	}
}

var (
	tenantLabels    = []string{"tenant"}
	tenantSessions  = prometheus.NewDesc("sluice_tenant_sessions", "Open sessions and waiting page requests, by tenant.", tenantLabels, nil)
	tenantEvents    = prometheus.NewDesc("sluice_tenant_events_sent_total", "Record events delivered to subscribers, by tenant.", tenantLabels, nil)
	tenantGaps      = prometheus.NewDesc("sluice_tenant_gaps_sent_total", "Gaps sent to subscribers, by tenant.", tenantLabels, nil)
	tenantBytes     = prometheus.NewDesc("sluice_tenant_sent_bytes_total", "Bytes written to sessions, by tenant.", tenantLabels, nil)
	tenantPublishes = prometheus.NewDesc("sluice_tenant_publishes_total", "Records published by clients, by tenant and result: stored or not_stored.", []string{"tenant", "result"}, nil)
)

// Describe implements prometheus.Collector.
func (t *tenants) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tenantSessions, tenantEvents, tenantGaps, tenantBytes, tenantPublishes} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (t *tenants) Collect(metrics chan<- prometheus.Metric) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, of := range t.all {
		counter := func(d *prometheus.Desc, value uint64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), append([]string{id}, labels...)...)
		}
		metrics <- prometheus.MustNewConstMetric(tenantSessions, prometheus.GaugeValue, float64(t.held(id)), id)
		counter(tenantEvents, of.events.Load())
		counter(tenantGaps, of.gaps.Load())
		counter(tenantBytes, of.bytes.Load())
		counter(tenantPublishes, of.stored.Load(), "stored")
		counter(tenantPublishes, of.notStored.Load(), "not_stored")
	}
}
