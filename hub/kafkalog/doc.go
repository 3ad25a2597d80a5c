// Package kafkalog reads Kafka topics by position and produces to them, over
// kafka-go's pooled and authenticated connections.
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
// The files: cluster.go and exchange.go carry requests of our own on kafka-go's
// connections, which dial.go makes, authenticate.go and identity.go hold to be of
// this cluster, and listener.go watches for listeners of another kind; known.go and
// turns.go find a broker that answers among those that are known; metadata.go,
// offsets.go and fetch.go are the requests, answer.go reads a fetch's answer in
// place; walk.go goes through its batches, in batch.go, or message.go for what Kafka
// stored before 0.11, decompressed by inflate.go. source.go, absent.go, resolve.go
// and read.go are what is asked once; run.go follows metadata, broker.go says what is fetched when, poll.go
// hands out what came, follower.go gives it to the sink, and stray.go and
// lost.go find where reading goes on when a place is gone.
package kafkalog
