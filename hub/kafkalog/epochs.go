package kafkalog

import (
	"sync"

	"sluice/hub/record"
)

// epochs knows where the epochs of the present leaders of partitions begin, which does
// not change. It is safe for concurrent use.
type epochs struct {
	mu     sync.Mutex
	topics map[string]begun
}

// begun is where the epochs of the leaders of a topic's partitions begin.
type begun struct {
	topic record.TopicID
	at    map[int32]beginning
}

// beginning is the first offset of a leader's epoch, and the epoch of the record before
// it.
type beginning struct {
	epoch, before int32
	offset        int64
}

// date returns the epoch of the record before a tip, if it is known by where the
// leader's epoch begins.
func (e *epochs) date(l layout, partition int32, tip listed) (epoch int32, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	topic := e.topics[l.name]
	at, ok := topic.at[partition]
	switch {
	case !ok || topic.topic != l.id || at.epoch != tip.epoch || at.offset > tip.offset:
		return 0, false
	case at.offset == tip.offset && at.before >= 0:
		return at.before, true
	default:
		return at.epoch, true
	}
}

// keep keeps where epochs begin, given where those before them end.
func (e *epochs) keep(l layout, before []epochOf, ends map[int32]record.PartitionOffset) {
	if l.id.IsZero() {
		return // a topic that is made again could not be told from this one
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := e.topics[l.name]
	if !ok || known.topic != l.id {
		known = begun{topic: l.id, at: make(map[int32]beginning)}
		if e.topics == nil {
			e.topics = make(map[string]begun)
		}
		e.topics[l.name] = known
	}
	for _, b := range before {
		partition := b.lead.partition
		end := ends[partition]
		known.at[partition] = beginning{epoch: b.epoch + 1, before: end.Epoch, offset: end.Offset}
	}
}

// forget forgets a topic.
func (e *epochs) forget(topic string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.topics, topic)
}
