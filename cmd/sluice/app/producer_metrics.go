package app

import "github.com/prometheus/client_golang/prometheus"

// unavailablePartitions are the partitions that refuse records, by cluster. It is a
// prometheus.Collector.
type unavailablePartitions map[string]*cluster

var unavailableDesc = prometheus.NewDesc("sluice_publish_unavailable_partitions",
	"Partitions that refuse records because none was stored for kafka/produce/fail_after, and topics whose partitions are not known, by cluster.",
	[]string{"cluster"}, nil)

// Describe implements prometheus.Collector.
func (unavailablePartitions) Describe(to chan<- *prometheus.Desc) { to <- unavailableDesc }

// Collect implements prometheus.Collector.
func (u unavailablePartitions) Collect(to chan<- prometheus.Metric) {
	for name, c := range u {
		to <- prometheus.MustNewConstMetric(unavailableDesc, prometheus.GaugeValue, float64(c.producer.Unavailable()), name)
	}
}
