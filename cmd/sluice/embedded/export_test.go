package embedded

// Kept returns how many bytes of a topic Kafka keeps.
func Kept(e *Embedded, topic string) (bytes int64) {
	for _, p := range e.kafka.PartitionInfos(topic) {
		bytes += p.NumBytes
	}
	return bytes
}

// Written returns how many records were ever written to a topic.
func Written(e *Embedded, topic string) (records int64) {
	for _, p := range e.kafka.PartitionInfos(topic) {
		records += p.HighWatermark
	}
	return records
}

// Compact does at once what Run does periodically.
func Compact(e *Embedded) { e.kafka.Compact() }
