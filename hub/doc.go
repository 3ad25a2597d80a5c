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
//	newest.go        where the newest N records begin
//	fetch.go         one read of Kafka for those who are late
//	late.go          a subscription that reads what precedes the log
//	blockpool.go     who waits for which block; the memory of all blocks
//	blockcache.go    what is at hand of that: blocks of entries, by partition
//	replays.go       how many of these there may be at once, and in which order
//	searches.go      how many may look for their newest records at once
//	budget.go        how many bytes they may read a second
//
//	horizon.go       how far back it may begin
//	tips.go          what was written of late, for those who resume
//	vouch.go         a position that a client hands in
//	backfill.go      filling a log backwards
//	readto.go        reading from Kafka for one alone, to search or to fill a log
//	failures.go      which failures of what is tried again are logged
//
//	walk.go          its steps, in each mode
//	join.go          from a position into the log
//	slow.go          what one gets that has fallen behind
//	pending.go       gaps that it is owed before anything else
//	modes.go         the modes that it can be in, and the table of transitions
//	conflate.go      the newest record of each key of what it has missed
//
//	codec.go         the same compressed, in blocks that all share
//	rewind.go        what a socket did not take
//	ack.go           how far a client has got
//	subscription.go  a place in a feed: Next, Collect, Cursor
//
//	subscribe.go     Request, where a subscription begins
//	hub.go           Config, Hub, Run, the list of streams, memory of all logs
//	stream.go        a stream being read: start, linger, outages, a new topic
//
//	proven.go        which positions Kafka has shown to be of this log
//	log.go           the log: chunks from floor to tip, marks, who is woken
//	chunkbuilder.go  from what a source reads to entries
//	batch.go         what it has ready to be written
//	compressed.go    these blocks, made once for a chunk
//	evaluate.go      asking the predicates of filters about what is new
//	feed.go          a filter and those who share it; key matching
//	chunk.go         a chunk and its entries; layouts for wire formats
package hub
