// Package kafkalog reads Kafka topics from given offsets, over kafka-go's pooled
// and authenticated connections.
//
// # Reading
//
// A [Source] reads without a consumer group. It gives the guarantees of
// upstream.Source: no records of another topic, no unreported gap, read
// committed. They rest on checks that brokers make themselves: a fetch names its
// topic by id (KIP-516), so that the broker refuses it if the topic was deleted
// and created again, and carries the epoch of the last record (KIP-595), so that
// a truncated log is noticed. Brokers before Kafka 3.1 are read by topic name,
// and a warning in the log names the guarantee that is missing then.
//
// All followed topics share one long poll per broker. A topic whose sink is busy,
// and a topic that was just added, is not in the long poll in progress; it gets a
// short fetch of its own, a lane, until the broker's next long poll. No fetch
// waits for a sink longer than a millisecond, and none waits for a slow sink.
//
// Goroutines: Source.Run asks for metadata in its caller's goroutine, and owns
// one goroutine for each broker and for each fetch. Source.Follow calls its sink
// in its caller's goroutine, where batches are also checked and decompressed. The
// goroutines that kafka-go runs for a connection end with the deadline of its
// request, at most MaxWait and five seconds after the last one.
//
// # Producing
//
// A producer uses the same connections: package producer is built on
// [Cluster.Leaders], [Cluster.RequestAny], [Request] and [Absence], and package acls
// on [Cluster.RequestAny]. Nothing in this package depends on them.
//
// # Files
//
// A file uses the files listed after it. Each paragraph groups files that belong
// together.
//
//	run.go           metadata of the followed topics, and their brokers
//	broker.go        what is fetched from a broker, and when
//	poll.go          sending a fetch, and handing out its answer
//	outofrange.go    where reading continues when an offset is out of range
//	follower.go      a followed topic, and its sink
//	state.go         the state of followers, their partitions and the brokers
//
//	read.go          Read: a single read
//	walk.go          iteration over the batches of a fetch
//	batch.go         a record batch
//
//	absent.go        detection of missing topics
//	resolve.go       Offsets: the offsets of a time or an end
//	ensure.go        creation of a topic
//	leaders.go       the leaders of a topic's partitions
//	request.go       kafka-go's requests, to a chosen broker
//	source.go        SourceConfig, Source
//	inflate.go       decompression, with bounds
//	nearest.go       the replicas to read from
//	epochs.go        where the epochs of leaders begin
//	absence.go       how long a topic has been missing
//
//	lost.go          what a truncated log has lost
//	fetch.go         a fetch
//	answer.go        the answer to a fetch, parsed in place
//	offsets.go       start and end offsets of partitions and epochs
//
//	newest.go        topics and their leaders, from all brokers
//	metadata.go      topics and their leaders, from one broker
//	exchange.go      requests encoded by this package, on kafka-go's connections
//	dial.go          NewCluster: opening a connection
//	authenticate.go  SASL, before the first request to a broker
//	identity.go      whether a broker belongs to this cluster
//	conversation.go  one request on a connection
//	turns.go         asking one broker after the other
//	cluster.go       Config, Cluster: kafka-go's connection pools
//	listener.go      detection of a listener of the wrong kind
//	session.go       how long a connection can be used after SASL (KIP-368)
//	known.go         the known brokers
//	errors.go        Kafka's error codes
//	scan.go          a reader of Kafka's primitive types
package kafkalog
