// Package hub is the domain of Sluice: streams of records, read from Kafka once
// and delivered to any number of subscribers, each of whom is no more than a
// position.
//
// The recent records of a stream stand in one log, each encoded once. A
// subscription is an index into that log, and delivering is handing out slices
// of it. No subscriber has a queue, so a slow one holds no memory, and a burst
// is one slice. Whoever is below the log's floor reads on from Kafka, in blocks
// that all who are late share, and joins the log again by position; one that was
// live and fell behind is treated as the stream's [SlowPolicy] says. Replay,
// resume and catching up are therefore one path, and going over to what is live
// needs no lock.
//
// The package knows no network, no Kafka client and no Redis: an [upstream.Source]
// reads, an [upstream.Producer] stores, a [cursors.Store] keeps named cursors, and an
// [Owner] is told when there is something to deliver.
//
// # Guarantees
//
//   - No silent gap. From a valid position every record that the filter passes is
//     delivered, or a gap event comes before anything later of its partition, or
//     the subscription ends in front of it with FilterFailed.
//   - Order. Offsets rise within a partition of a subscription, until a gap says
//     log_changed or truncated.
//   - A cursor never leads: it covers what [Subscription.Next] has given out, and
//     no more. It is made of what it covers, and checked when it comes back: the
//     topic's identity and the epochs tell a topic made again and a log cut short,
//     a checksum tells damage.
//   - Bytes that were given out are never changed, and can be kept.
//   - Memory is bounded: a stream's log by Stream.LogBytes, all of them by
//     Config.LogMemory (streams that nobody reads give first), and what is read
//     for those who are late, which they share, by Config.LateMemory and how many
//     reads there can be at once.
//   - A slow subscriber holds up nobody else, and neither does a filter's predicate
//     hold up the stream, or those who read it without one. Config.Pace holds the reading up
//     for the workers, and never for a client.
//   - An outage of Kafka ends no subscription. It is told by
//     [Subscription.StatusChange], and reading goes on where it was.
//   - A named cursor moves only by its owner's acks. Two that take the same name
//     are told apart by a fence, and the older one is told.
//
// Rights are not looked at here: who may read what, and how far back, is the
// caller's to know and to say in a [Request].
//
// # Goroutines
//
// New starts none. Hub.Run waits for all that the hub has started, which live
// until its context ends: for each stream that is read, one that follows the
// source and appends, one that asks the predicates of filters about what was
// appended, and one that fills the log backwards and ends; for each read on behalf of late subscriptions one that ends with it. A subscription has
// none, late or not. A stream is read from its first subscriber until
// Stream.Linger after its last.
//
// A log has one appender: the goroutine in which the source calls
// [upstream.Sink.Append]. Readers need no lock. A [Subscription] is for one goroutine at
// a time, that of whoever delivers. Config.Wake,
// [Owner.Pump] and the functions given to a cursors.Committer are called from the hub's
// goroutines and must not block.
//
// # Packages
//
// What the hub is made of stands in packages of its own, which know nothing of it:
//
//	jsonscan  checking and walking JSON
//	record    records, positions, cursors, gaps
//	event     a record and a gap as subscribers are sent them
//	filter    which records a feed has
//	upstream  what is asked of Kafka: Source and Producer
//	cursors   named cursors: Store, Committer, Lease
//	ingest    what is done with records before they are stored
//	backoff   the time between attempts
//
// # Files
//
// A file uses those behind it. Those of one paragraph belong together.
//
//	run.go              New and Run
//
//	subscribe.go        Subscribe: where a subscription begins
//	newest.go           where the newest N records begin
//	vouch.go            checking a position that a client brings
//	horizon.go          how far back a principal may read
//
//	next.go             what a subscription delivers: Next, NextCompressed, Collect
//	walk.go             its steps
//	pending.go          reporting gaps before anything else
//	late.go             reading what precedes the log
//	join.go             from a position into the log
//	slow.go             the policy for a subscription that fell behind
//	conflate.go         the passes of a conflating subscription
//	deliver.go          what of a chunk is delivered
//	rewind.go           taking back what a socket did not accept
//	ack.go              how far a client has acknowledged
//	feeds.go            the feeds of a log: joined and left by subscriptions
//	subscription.go     the state of a subscription, and its transitions
//	conflation.go       the newest record of each key of what was missed
//
//	reading.go          the reading of a stream: start, outages, a new topic
//	backfill.go         filling a log backwards
//	watchtips.go        looking where topics end
//	readto.go           reading from Kafka for one purpose: a search, or filling a log
//
//	fetch.go            one read of Kafka for late subscriptions
//	blockpool.go        which subscription waits for which block; memory of all blocks
//	blockcache.go       the blocks of one stream, by partition
//	replays.go          how many replays may run at once, and in which order
//	latereader.go       what a late subscription waits for and holds
//	budget.go           how many bytes late subscriptions may read in a second
//
//	hub.go              Config, Hub, the list of streams, the memory of all logs
//	stream.go           a stream: acquired by its first subscription, released by the last
//	failures.go         which repeated failures are logged
//	searches.go         how many searches may run at once
//	tips.go             what was written lately, for clients that resume
//	request.go          Request, Start
//
//	proven.go           which positions Kafka has confirmed for this log
//	evaluate.go         evaluating the predicates of filters on new records
//	log.go              the log: chunks from floor to tip, marks, notification
//	feed.go             a filter and the subscriptions that share it; key matching
//	chunkbuilder.go     from what a source reads to entries
//	batch.go            what a subscription has ready to be written
//	compressed.go       making compressed blocks, once for a chunk
//	chunk.go            a chunk and its entries; layouts for wire formats
//	compressedblock.go  compressed blocks
//	codec.go            Codec and Window: what a compression has to provide
//	modes.go            the modes of a subscription, and the table of transitions
//	policy.go           SlowPolicy
package hub
