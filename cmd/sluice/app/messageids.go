package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/cmd/sluice/config"
	"sluice/hub/backoff"
	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
)

// lookbackPause is how long the leaders of a topic are given to work off what they had received
// before their logs count as complete.
const lookbackPause = time.Second

// newMessageIDs returns what stores records with message ids once, nil without Redis.
func newMessageIDs(c *config.Config, store once.Store, logs once.Logs, logger *slog.Logger) (*once.Guard, error) {
	if !c.Redis.Configured() {
		return nil, nil
	}
	return once.New(once.Config{
		Store: store, Logs: logs,
		Wait: c.MessageIDs.Wait, Skew: c.MessageIDs.Skew, Pause: lookbackPause,
		LookbackTime: c.MessageIDs.LookbackTime, LookbackBytes: int(c.MessageIDs.LookbackBytes), Lookbacks: c.MessageIDs.Lookbacks,
		Now: time.Now, Logger: logger.With("component", "message ids"),
	})
}

// onceStep returns the step that stores the records of a stream with message ids once, nil if
// the stream takes none.
func onceStep(guard *once.Guard, c *config.Config, s config.Stream) ingest.Step {
	if guard == nil || s.Ingest.MessageIDs.Window == 0 {
		return nil
	}
	policy := once.Policy{Window: s.Ingest.MessageIDs.Window, Lease: c.Lease(), Required: s.Ingest.MessageIDs.Required}
	if s.Ingest.OnInvalid == config.DeadLetter {
		policy.DeadLetters = s.Ingest.DeadLetter
	}
	return guard.Step(policy)
}

// evicter says by which policy a Redis deletes keys before their time, "" for none.
// redisstore.Store implements it.
type evicter interface {
	Eviction(ctx context.Context) (string, error)
}

// messageIDParts returns the parts that write what became of message ids, before the connections
// to Redis are closed, and that warn of a Redis that may forget them.
func messageIDParts(guard *once.Guard, redis evicter, logger *slog.Logger) []part {
	if guard == nil {
		return nil
	}
	return []part{
		{name: "message ids", run: func(ctx context.Context) error { return guard.Run(ctx) }},
		{name: "eviction of message ids", run: func(ctx context.Context) error {
			warnOfEviction(ctx, redis, logger)
			<-ctx.Done()
			return nil
		}},
	}
}

// warnOfEviction waits until Redis says whether it deletes keys to make room.
func warnOfEviction(ctx context.Context, redis evicter, logger *slog.Logger) {
	for retry := backoff.New(); ; {
		policy, err := redis.Eviction(ctx)
		switch {
		case policy != "":
			logger.Warn("Redis deletes keys when its memory is used up: message ids that it has forgotten are stored again; set maxmemory-policy noeviction", "component", "redis", "policy", policy)
			return
		case err == nil || !retry.Wait(ctx):
			return
		}
	}
}

// messageIDMetrics are the metrics of message ids. It is a prometheus.Collector.
type messageIDMetrics struct{ guard *once.Guard }

var (
	idLookbacks = prometheus.NewDesc("sluice_message_id_lookbacks_total", "Records with message ids that were looked for in Kafka, by result: found, absent, unknown.", []string{"result"}, nil)
	idScanned   = prometheus.NewDesc("sluice_message_id_lookback_bytes_total", "Size of the records that were looked through for that, in bytes.", nil, nil)
	idWaiting   = prometheus.NewDesc("sluice_message_ids_unsettled", "Message ids whose records have been answered, and that wait to be settled in Redis.", nil, nil)
	idDropped   = prometheus.NewDesc("sluice_message_ids_dropped_total", "Message ids that could not be settled in Redis. They are settled by a lookback if they are used again.", nil, nil)
)

// Describe implements prometheus.Collector.
func (messageIDMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{idLookbacks, idScanned, idWaiting, idDropped} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m messageIDMetrics) Collect(to chan<- prometheus.Metric) {
	s := m.guard.Stats()
	for result, n := range map[string]uint64{"found": s.Found, "absent": s.Absent, "unknown": s.Unknown} {
		to <- prometheus.MustNewConstMetric(idLookbacks, prometheus.CounterValue, float64(n), result)
	}
	to <- prometheus.MustNewConstMetric(idScanned, prometheus.CounterValue, float64(s.Scanned))
	to <- prometheus.MustNewConstMetric(idDropped, prometheus.CounterValue, float64(s.Dropped))
	to <- prometheus.MustNewConstMetric(idWaiting, prometheus.GaugeValue, float64(s.Waiting))
}
