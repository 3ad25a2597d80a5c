package app

import (
	"maps"
	"slices"

	"sluice/cmd/sluice/config"
	"sluice/hub"
	"sluice/hub/event"
)

// newStreams returns the streams for the hub, sorted by name.
func newStreams(c *config.Config, clusters map[string]*cluster, e *encryption, r registrySet) []hub.Stream {
	var made []hub.Stream
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s := c.Streams[name]
		from := clusters[s.Cluster]
		one := hub.Stream{
			Name:        name,
			Topic:       s.Topic,
			Source:      from.source,
			Producer:    from.producer,
			Content:     event.Content(s.Content),
			Linger:      s.Linger,
			LogBytes:    int(s.LogBytes),
			RecordBytes: int(c.Limits.RecordBytes),
			Backfill:    s.Backfill,
			Slow:        hub.SlowPolicy(s.Slow),
		}
		r.reads(&one, s)
		if d := e.decrypters[name]; d != nil {
			one.Decrypt = d
		}
		made = append(made, one)
	}
	return made
}
