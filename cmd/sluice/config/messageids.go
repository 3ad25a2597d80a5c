package config

import (
	"maps"
	"slices"
	"time"
)

// MessageIDs configures how records with a message id are stored once.
type MessageIDs struct {
	Wait          time.Duration `koanf:"wait" default:"2s" validate:"between=10ms..1m" doc:"how long a publish waits for another one with the same message id; then it looks for the record in Kafka, and answers publish_unknown if it is not there yet"`
	Margin        time.Duration `koanf:"margin" default:"10s" validate:"between=1s..10m" doc:"how long a request may be on its way to Kafka after it was sent. A message id whose publish has failed without an answer, or whose instance has ended, is decided by what is in Kafka after twice limits/publish_timeout and this; until then it is answered publish_unknown, unless the record is found"`
	Skew          time.Duration `koanf:"skew" default:"10s" validate:"between=0s..10m" doc:"how much the clocks of instances and brokers may differ: records are looked for from this time before their publish"`
	LookbackTime  time.Duration `koanf:"lookback_time" default:"5s" validate:"between=100ms..1m" doc:"how long a publish waits until the records of its stream are looked through for its message id, at most limits/publish_timeout; then the answer is publish_unknown"`
	LookbackBytes Size          `koanf:"lookback_bytes" default:"256MiB" validate:"between=1MiB..64GiB" doc:"size of the records of a stream that are looked through for records with message ids at a time; with more records in that time, the answer is publish_unknown until window has passed. They are not kept in memory"`
	Lookbacks     int           `koanf:"lookbacks" default:"4" validate:"between=1..1000" unit:"streams" doc:"streams that are looked through at the same time on this instance; further ones wait. Tenants have turns alike; one alone has three quarters of them at most, and a principal half"`
}

// IngestMessageIDs says what a stream demands of message ids.
type IngestMessageIDs struct {
	Window   time.Duration `koanf:"window" default:"10m" validate:"omitempty,between=1s..7d" doc:"how long a message id is remembered after its record was answered. Redis needs some 250 bytes for each. 0 refuses records with a message id"`
	Required bool          `koanf:"required" default:"false" doc:"refuse records without a message id"`
}

// checkMessageIDs checks what streams demand of message ids.
func checkMessageIDs(c *Config, f *faults) {
	used := false
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		ids, path := c.Streams[name].Ingest.MessageIDs, join("streams", name)+"/ingest/message_ids/required"
		used = used || ids.Window > 0
		switch {
		case ids.Required && ids.Window == 0:
			f.addOnce(path, "has no effect with window: 0, which refuses records with a message id")
		case ids.Required && !c.Redis.Configured():
			f.addOnce(path, "message ids require redis")
		}
	}
	if used && c.Redis.Configured() && c.Limits.PublishTimeout == 0 {
		f.addOnce("limits/publish_timeout", "message ids require that a publish ends at some time: set publish_timeout, or streams/NAME/ingest/message_ids/window: 0 for all streams")
	}
}

// Lease is how long after its message id was claimed a record may come to be stored: it is sent
// with others within publish_timeout, and again with them within another one.
func (c *Config) Lease() time.Duration { return 2*c.Limits.PublishTimeout + c.MessageIDs.Margin }
