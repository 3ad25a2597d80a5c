package embedded

import (
	"fmt"
	"time"
)

// Topic is a topic that Start creates.
type Topic struct {
	Name       string
	Partitions int32
	// Compacted topics keep the last record of each key.
	Compacted bool
	// Schema is the JSON Schema of what visitors publish to it, nil for none. The generators
	// are not held to it.
	Schema []byte
}

// Topics returns the topics of the demo streams. Those of the chat and of commands to devices
// have no generators: only visitors write there. What they send and is refused, to the lobby
// or as a reading of a device, is in the topics of what was rejected.
func Topics() []Topic {
	return []Topic{
		{Name: "wiki.edits", Partitions: 3},
		{Name: "market.ticks", Partitions: 6},
		{Name: "iot.telemetry", Partitions: 6, Schema: telemetrySchema},
		{Name: "flights.positions", Partitions: 3},
		{Name: "shop.orders", Partitions: 3, Compacted: true},
		{Name: "chat.lobby", Partitions: 1},
		{Name: "chat.rejected", Partitions: 1},
		{Name: "iot.commands", Partitions: 1},
		{Name: "iot.rejected", Partitions: 1},
	}
}

// DefaultRates returns rates in records per second that look lively and need little
// CPU.
func DefaultRates() map[string]float64 {
	return map[string]float64{
		"wiki.edits":        15,
		"market.ticks":      40,
		"iot.telemetry":     20,
		"flights.positions": 12,
		"shop.orders":       6,
	}
}

// maxRate is far above what the embedded Kafka can handle.
const maxRate = 1_000_000

// record is a record made by a generator.
type record struct {
	// due is when the record is written, in whole milliseconds; ts is its timestamp
	// in Kafka, which is earlier for a reading that arrives late.
	due, ts time.Time
	key     string
	// value is nil for a tombstone.
	value []byte
}

// generator makes the records of a stream, slot by slot: slot n begins n spans after
// the Unix epoch. The records of a slot depend only on the seed, the rate and n.
type generator interface {
	span() time.Duration
	// records returns the records that are due in a slot, in order of due.
	records(slot int64) []record
}

func newGenerator(stream string, seed uint64, rate float64) (generator, error) {
	seed = mix(seed, text(stream))
	switch stream {
	case "wiki.edits":
		return newWiki(seed, rate), nil
	case "market.ticks":
		return newMarket(seed, rate), nil
	case "iot.telemetry":
		return newTelemetry(seed, rate), nil
	case "flights.positions":
		return newFlights(seed, rate), nil
	case "shop.orders":
		return newOrders(seed, rate), nil
	}
	return nil, fmt.Errorf("demo stream %q has no generator", stream)
}
