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
	at    map[int32]record.PartitionOffset
}

// include reports whether a tip is known to be where the leader's epoch begins, or
// later.
func (e *epochs) include(l layout, partition int32, tip listed) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.topics[l.name]
	at, ok := known.at[partition]
	return ok && known.topic == l.id && at.Epoch == tip.epoch && at.Offset <= tip.offset
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
		known = begun{topic: l.id, at: make(map[int32]record.PartitionOffset)}
		if e.topics == nil {
			e.topics = make(map[string]begun)
		}
		e.topics[l.name] = known
	}
	for _, b := range before {
		partition := b.lead.partition
		known.at[partition] = record.PartitionOffset{Partition: partition, Epoch: b.epoch + 1, Offset: ends[partition].Offset}
	}
}

// forget forgets a topic.
func (e *epochs) forget(topic string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.topics, topic)
}
