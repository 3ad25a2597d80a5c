package hub

import (
	"sync"
	"time"

	"sluice/hub/record"
)

// A subscriber who may not replay may resume what has been written within the
// last ResumeWindow. When that was, the timestamps of records do not say, which
// are their producers' own, and neither does the time in a cursor, which anybody
// can make. So each instance looks where the topics end, and keeps what it saw:
// what lies behind an end that was seen within the window has been written in it.

// tips are where the ends of a topic's partitions were seen to be.
type tips struct {
	mu    sync.Mutex
	topic record.TopicID
	seen  []seenTip // in order of time
}

type seenTip struct {
	at     time.Time
	places []record.PartitionOffset
}

// note keeps a look, and forgets those before the newest that is older than the
// window.
func (t *tips) note(topic record.TopicID, now time.Time, places []record.PartitionOffset, window time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.topic != topic {
		t.topic, t.seen = topic, nil
	}
	t.seen = append(t.seen, seenTip{now, places})
	t.forget(now, window)
}

func (t *tips) forget(now time.Time, window time.Duration) {
	edge := now.Add(-window)
	old := 0
	for old+1 < len(t.seen) && !t.seen[old+1].at.After(edge) {
		old++
	}
	// An instance that could not look for long knows nothing from before.
	if old < len(t.seen) && t.seen[old].at.Before(edge.Add(-lookEvery(window))) {
		old++
	}
	t.seen = append(t.seen[:0], t.seen[old:]...)
}

// within gives the lowest end that was seen of each partition within the window:
// all behind it has been written since. A partition that it does not have was
// added since. It reports false where nothing was seen.
func (t *tips) within(topic record.TopicID, now time.Time, window time.Duration) (record.Position, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.topic != topic {
		return record.Position{}, false
	}
	t.forget(now, window)
	if len(t.seen) == 0 {
		return record.Position{}, false
	}
	lowest := record.Position{Topic: topic, Offsets: t.seen[0].places}.Clone()
	for _, later := range t.seen[1:] {
		for _, at := range later.places {
			// A log that was cut short has had its offsets given out anew.
			if was, ok := lowest.Find(at.Partition); ok && at.Offset < was.Offset {
				lowest.Set(at)
			}
		}
	}
	return lowest, true
}

// lookEvery is how far apart looks are at most, an eighth of the window. So much
// earlier than the window a resumption may begin, as it lies between two looks.
func lookEvery(window time.Duration) time.Duration { return max(window/8, 2*time.Second) }
