package hub

import (
	"sync"
	"time"

	"sluice/hub/record"
)

// A subscriber that may not replay may resume what has been written within the last
// ResumeWindow. The time of writing is not known from the timestamps of records,
// which their producers choose, nor from the time in a cursor, which anybody can
// forge. Therefore each instance looks where the topics end and remembers what it
// saw: what lies after an end that was seen within the window has been written
// within it.

// tips are the observed ends of a topic's partitions.
type tips struct {
	mu    sync.Mutex
	topic record.TopicID
	seen  []seenTip // in order of time
}

type seenTip struct {
	at     time.Time
	places []record.PartitionOffset
}

// note adds an observation, and removes those before the newest that is older than
// the window.
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
	// An instance that could not look for a long time knows nothing of the time
	// before.
	if old < len(t.seen) && t.seen[old].at.Before(edge.Add(-lookEvery(window))) {
		old++
	}
	t.seen = append(t.seen[:0], t.seen[old:]...)
}

// within returns the lowest end of each partition that was seen within the window:
// everything after it has been written since. Partitions that the result does not
// have were added since. It reports false if there is no observation.
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
			// The offsets of a truncated log were reused.
			if was, ok := lowest.Find(at.Partition); ok && at.Offset < was.Offset {
				lowest.Set(at)
			}
		}
	}
	return lowest, true
}

// lookEvery is the maximum time between two looks, an eighth of the window. A
// resumption may begin earlier than the window by that time, because the window
// begins between two looks.
func lookEvery(window time.Duration) time.Duration { return max(window/8, 2*time.Second) }

// newest returns where the topic ended when it was looked at last, without offsets if it was
// not.
func (t *tips) newest() record.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) == 0 {
		return record.Position{}
	}
	return record.Position{Topic: t.topic, Offsets: t.seen[len(t.seen)-1].places}.Clone()
}
