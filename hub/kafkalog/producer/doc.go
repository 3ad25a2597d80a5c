// Package producer stores messages in the topics of a Kafka cluster, idempotently
// (KIP-98) and with acks=all. Its [Producer] implements upstream.Producer over
// the connections and the metadata of a [kafkalog.Cluster].
//
// # Guarantees
//
//   - Every message gets one result: stored at an offset, certainly not stored,
//     or unknown.
//   - A retry never stores a message twice.
//   - Messages for one partition are stored in the order of the calls of Produce.
//   - Memory in flight is bounded by [Config.MemoryBytes], and a message waits at
//     most [Config.Timeout]. It is not sent for the first time after that, not even by a
//     process that was stopped for a while; nor again after the last of those that were
//     sent with it.
//   - A partition that makes no progress for [Config.FailAfter] delays nothing:
//     its messages fail at once until a trial shows that it stores again.
//
// # Goroutines
//
// [Producer.Run] owns one goroutine for each topic that was produced to and one
// for each of their partitions. Results are reported from these goroutines, from
// the goroutine of a timer or a context when time runs out, or from a new
// goroutine if a call fails at once.
//
// # Files
//
// A file uses the files listed after it.
//
//	producer.go  New, Run, Produce: incoming calls, memory in flight
//	refresh.go   a topic's partitions and leaders
//	assign.go    partitioning of messages
//
//	storing.go   storing a partition's batches, one after the other
//	queue.go     what a partition has queued, and whether it makes progress
//	attempt.go   a single attempt to send a batch
//	encode.go    a batch in Kafka's format
//	verdict.go   what a broker's error code means for a batch
//
//	topic.go     a topic: its partitions, and how its messages are settled
//	lane.go      a partition: its queue, its sequence, its state
//	config.go    Config, Producer
//	identity.go  producer id, epoch and sequence
//	call.go      one call of Produce, its messages, batches and results
package producer
