package embedded

// Kept is how many bytes Kafka keeps of a topic.
func Kept(e *Embedded, topic string) (bytes int64) {
	for _, p := range e.kafka.PartitionInfos(topic) {
		bytes += p.NumBytes
	}
	return bytes
}

// Written is how many records a topic has ever had.
func Written(e *Embedded, topic string) (records int64) {
	for _, p := range e.kafka.PartitionInfos(topic) {
		records += p.HighWatermark
	}
	return records
}

// Compact does at once what Run does now and then.
func Compact(e *Embedded) { e.kafka.Compact() }
