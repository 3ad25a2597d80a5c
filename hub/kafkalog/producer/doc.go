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
//   - Memory in flight is bounded by [Config.MemoryBytes], of which no tenant and no principal
//     has all, and a message waits at most [Config.Timeout]. It is not sent for the first time
//     after that, not even by a process that was stopped for a while; nor again after the last
//     of those that were sent with it.
//   - A partition that makes no progress for [Config.FailAfter] delays nothing:
//     its messages fail at once until a trial shows that it stores again.
//   - A broker that does not answer delays nothing for another one: it holds a part of the
//     requests in progress, however many partitions it leads.
//   - A message before which so much is queued that it would not be stored in its time
//     fails at once.
//
// # The circuit breaker
//
// Each partition has a circuit breaker of its own, as each can lack its leader or its
// replicas alone. It is closed while records are stored, open when none was for FailAfter,
// and half-open when the leader answers again: then the messages of one call at a time are
// tried. It is not sony/gobreaker, which judges calls by their results, one by one. Here a
// batch carries many calls, and none of them may have a result yet: what counts is that
// nothing makes progress. When the breaker opens, what is queued has to fail with it, but a
// batch that may have been appended has to be sent on, unchanged, or records would be stored
// twice or out of order. And what closes it again is a stored record: a broker without
// enough replicas answers everything else.
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
//	estimate.go  how long messages wait
//	bound.go     how large batches may be
//	config.go    Config, Producer
//	slots.go     which requests are in progress
//	identity.go  producer id, epoch and sequence
//	call.go      one call of Produce, its messages, batches and results
package producer
