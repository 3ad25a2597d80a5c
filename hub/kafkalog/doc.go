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
//	cluster.go    Config, Cluster: kafka-go's pools of connections
//	dial.go       how a connection is made; listener.go, one of another kind
//	identity.go   whether a broker is of this cluster; authenticate.go
//	known.go      the brokers that are known; turns.go, asking one after the other
//	exchange.go   requests of our own encoding on these connections
//	request.go    kafka-go's requests, to a broker of our choice
//	metadata.go   topics and who leads them; leaders.go, ensure.go, absent.go
//	offsets.go    where a partition begins and ends
//	fetch.go      a fetch; answer.go reads what it brought, in place
//	walk.go       through the batches of a fetch; batch.go, inflate.go
//
//	source.go     SourceConfig, Source
//	resolve.go    Offsets; read.go, reading once; nearest.go, from which replica
//	run.go        the metadata of what is followed, and its brokers
//	broker.go     what is fetched from a broker when; poll.go, what came
//	follower.go   a topic that is followed, and its sink
//	outofrange.go where reading goes on when an offset is gone; lost.go
package kafkalog
