package kafkalog

import (
	"sync"
	"time"

	"sluice/hub/record"
)

// nearest remembers the replicas from which the leaders want partitions read
// (KIP-392), so that not every read of history asks the leaders first. It is safe
// for concurrent use.
type nearest struct {
	mu    sync.Mutex
	known map[replicated]replica
}

// replicated identifies a partition of a topic.
type replicated struct {
	topic     record.Topic
	partition int32
}

type replica struct {
	broker int32
	until  time.Time
}

// of returns the replica to read a partition from, if one is known.
func (n *nearest) of(topic record.Topic, partition int32) (broker int32, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.known[key(topic, partition)]
	return r.broker, ok && time.Now().Before(r.until)
}

// replicaFor is how long a preferred replica is used before the leader is asked
// again; Java's client does so after its metadata.max.age.
const replicaFor = 5 * time.Minute

// keep remembers a replica for replicaFor, after which the leader is asked again.
func (n *nearest) keep(topic record.Topic, partition, broker int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for k, r := range n.known {
		if now.After(r.until) {
			delete(n.known, k)
		}
	}
	if n.known == nil {
		n.known = make(map[replicated]replica)
	}
	n.known[key(topic, partition)] = replica{broker, now.Add(replicaFor)}
}

func (n *nearest) forget(topic record.Topic, partition int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, key(topic, partition))
}

// key leaves out the number of partitions, which can change while the topic stays
// the same.
func key(topic record.Topic, partition int32) replicated {
	topic.Partitions = 0
	return replicated{topic, partition}
}
