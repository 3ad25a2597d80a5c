package embedded

import (
	"bytes"
	"encoding/gob"
	"os"
	"time"
)

// AgeKeys makes the saved Redis keys older, as if the time since they were saved were
// longer.
func AgeKeys(config Config, by time.Duration) error {
	saved, err := os.ReadFile(snapshotPath(config))
	if err != nil {
		return err
	}
	var keys snapshot
	if err := gob.NewDecoder(bytes.NewReader(saved)).Decode(&keys); err != nil {
		return err
	}
	for i := range keys.Keys {
		if key := &keys.Keys[i]; !key.Expires.IsZero() {
			key.Expires = key.Expires.Add(-by)
		}
	}
	var aged bytes.Buffer
	if err := gob.NewEncoder(&aged).Encode(keys); err != nil {
		return err
	}
	return os.WriteFile(snapshotPath(config), aged.Bytes(), 0o600)
}

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

// Save does at once what Run does periodically.
func Save(e *Embedded) error { return e.saveRedis() }
