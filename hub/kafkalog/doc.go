// Package kafkalog reads Kafka topics by position, over kafka-go's pooled and
// authenticated connections.
//
// # Reading
//
// A [Source] reads without a consumer group. Its promises are those of
// upstream.Source: nothing of another topic, no silent gap, read committed. They
// rest on what brokers check themselves: a fetch names its topic by id
// (KIP-516), so that a topic made again is refused, and tells the epoch of the
// last record (KIP-595), so that a log cut short is noticed. Brokers before
// Kafka 3.1 are read by name, and the log says what is not guarded then.
//
// All topics that are followed share one long poll a broker. A topic whose
// sink is busy, and one that has just come, is not in the poll under way; it
// has a short fetch of its own, a lane, until the broker's next turn. No fetch
// waits for a sink longer than a millisecond, and for a slow one not at all.
//
// Goroutines: Source.Run asks for metadata in its own, and owns one for each
// broker and for each fetch. Source.Follow calls its sink in its caller's,
// where also batches are checked and decompressed. What kafka-go runs for a
// connection ends with the deadline of its request, at most MaxWait and five
// seconds after the last.
//
// # Producing
//
// A producer uses the same connections: package producer stands on [Cluster.Leaders],
// [Cluster.RequestAny], [Request] and [Absence], and nothing here knows it.
//
// # Files
//
// A file uses those behind it. Those of one paragraph belong together.
//
//	outofrange.go    where reading goes on when an offset is gone
//	poll.go          what came, handed out
//	run.go           the metadata of what is followed, and its brokers
//	follower.go      a topic that is followed, and its sink
//	broker.go        what is fetched from a broker when
//
//	read.go          reading once
//	walk.go          through the batches of a fetch
//	batch.go         a record batch
//	inflate.go       what is compressed, bounded
//
//	absent.go        a topic that is missing
//	resolve.go       Offsets: where a time or an end is
//	ensure.go        a topic is made
//	leaders.go       who leads the partitions of a topic
//	request.go       kafka-go's requests, to a broker of our choice
//	source.go        SourceConfig, Source
//	nearest.go       from which replica is read
//
//	lost.go          what a log that was cut short has lost
//	fetch.go         a fetch
//	answer.go        what a fetch brought, read in place
//	offsets.go       where a partition and an epoch begin and end
//
//	dial.go          how a connection is made
//	authenticate.go  SASL, in front of what a broker is asked first
//	identity.go      whether a broker is of this cluster
//	turns.go         asking one broker after the other
//	newest.go        topics and who leads them, from all brokers
//	metadata.go      the same, from one broker
//	exchange.go      requests of our own encoding on these connections
//	cluster.go       Config, Cluster: kafka-go's pools of connections
//	listener.go      listeners of another kind
//	known.go         the brokers that are known
//	errors.go        Kafka's error codes
//	scan.go          bytes, read from the front
package kafkalog
