package hub

import (
	"sync"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// stored is where the records end that this instance has stored lately in a topic. A
// publish is answered before its record is read back, so that a client which then reads
// once, up to the tip, would miss it.
type stored struct {
	mu   sync.Mutex
	ends map[int32]storedEnd
}

type storedEnd struct {
	offset int64
	at     time.Time
}

// note adds what a publish has stored. Publishes are answered in any order, so an end that
// is still waited for, for as long as within, is not moved back: by then, a lower one is of a
// topic that was recreated or truncated. A record whose offset is not known has no end.
func (s *stored) note(results []upstream.Stored, now time.Time, within time.Duration) {
	if within <= 0 {
		return // nobody waits
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range results {
		r := &results[i]
		if r.Err != nil || r.Offset < 0 {
			continue
		}
		if was, ok := s.ends[r.Partition]; ok && was.offset > r.Offset && now.Sub(was.at) <= within {
			continue
		}
		if s.ends == nil {
			s.ends = make(map[int32]storedEnd)
		}
		s.ends[r.Partition] = storedEnd{r.Offset + 1, now}
	}
}

// since returns where the records end that were stored since a time, in a position that is
// compared with one of the same topic, and when the last of them was stored. It forgets
// the others.
func (s *stored) since(of record.TopicID, began time.Time) (ends record.Position, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends.Topic = of
	for partition, end := range s.ends {
		if end.at.Before(began) {
			delete(s.ends, partition)
			continue
		}
		ends.Offsets = append(ends.Offsets, record.PartitionOffset{Partition: partition, Offset: end.offset, Epoch: -1})
		if end.at.After(last) {
			last = end.at
		}
	}
	record.SortOffsets(ends.Offsets)
	return ends, last
}
