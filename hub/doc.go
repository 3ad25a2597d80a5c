// Package hub is the domain of Sluice: streams of records that are read from Kafka
// once and delivered to any number of subscribers, each of which is only a position.
//
// The recent records of a stream are kept in one log, each encoded once. A
// subscription is an index into that log, and delivery hands out slices of it. A
// subscription has no queue, so a slow subscriber holds no memory, and a burst of
// records is a single slice. A subscription below the log's floor reads from Kafka,
// in blocks that all late subscriptions share, and joins the log again by position.
// A subscription that was live and fell behind is treated according to the stream's
// [SlowPolicy]. Replay, resume and catching up are therefore one path, and the
// change to live delivery needs no lock.
//
// The package contains no networking, no Kafka client and no Redis client: an
// [upstream.Source] reads, an [upstream.Producer] stores, a [cursors.Store] keeps
// named cursors, and an [Owner] is notified when there is something to deliver.
//
// # Guarantees
//
//   - No silent gap. From a valid position every record that passes the filter is
//     delivered, or a gap event precedes anything later of its partition, or the
//     subscription ends before the record with FilterFailed.
//   - Order. Offsets rise within a partition of a subscription, until a gap reports
//     log_changed or truncated.
//   - A cursor never leads: it covers exactly what [Subscription.Next] has returned.
//     A cursor holds the position that it covers and is checked when a client
//     presents it again: the topic's identity reveals a topic that was recreated,
//     the epochs reveal a truncated log, and a checksum reveals damage.
//   - Bytes that were returned are never changed and can be kept.
//   - Memory is bounded: a stream's log by Stream.LogBytes, all logs together by
//     Config.LogMemory (streams without subscribers are shrunk first), and what is
//     read for late subscriptions, which they share, by Config.LateMemory and the
//     number of concurrent reads.
//   - A slow subscriber delays no other subscriber, and a filter's predicate delays
//     neither the stream nor the subscriptions without predicates. Predicates that are
//     not known to be quick are evaluated in turns, of which principals have equal
//     shares, on whatever they are asked about: records that were appended, what late
//     subscriptions and pages read, and searches. Config.Pace
//     delays reading for the workers, never for a client.
//   - A paused subscription is a position and nothing else: it wakes nobody, its filter is
//     not evaluated, and it holds no block, no turn and no keys of a conflation. Its stream
//     is still read. Resumed, it goes on there, whatever was given up meanwhile.
//   - A record about which the filter of a right cannot decide does not pass it. The
//     filter of a client fails there, and ends the client's subscription.
//   - What a subscription's redaction hides is in nothing that it is delivered, and
//     decides nothing about what that is. What remains of a record is made once for all
//     subscriptions with equal redactions, and counts in the bounds above. Of a chunk it
//     is kept for 16 redactions; for others it is made each time.
//   - What a stream's Decoder decodes is decoded once, before it is decrypted and encoded,
//     and a value that it cannot decode is a gap with the reason unreadable.
//   - What is encrypted in a record is decrypted once, before the record is encoded, and
//     is shown only to subscriptions whose rights were determined with regard to it. What
//     cannot be decrypted is shown as null: a record delays and ends nothing.
//   - A filter on keys or on the values of fields costs nothing for records with
//     others: what a record costs does not depend on how many of these there are.
//   - An outage of Kafka ends no subscription. [Subscription.StatusChange] reports
//     it, and reading continues where it stopped. Reads that are tried again leave their
//     turns to others meanwhile.
//   - A named cursor moves only by its owner's acks, and where an operator puts it. A fence
//     distinguishes two owners of the same name, and the older one is notified.
//
// The package does not check access rights: the caller knows who may read what, and
// how far back, and passes it in a [Request].
//
// # Goroutines
//
// New starts none. Hub.Run waits for all goroutines of the hub, which live no longer
// than its context: one for every two processors that evaluates filters in turns; for each
// stream that is being read, one that follows the source
// and appends, two that evaluate filters on appended records, those on the values of
// fields alone and those with predicates, one that has costly predicates evaluated in
// turns, and one that fills the log backwards and ends; for each stream, if there is a
// Config.ResumeWindow, one that looks where its topic ends; and for each read on
// behalf of late subscriptions, one that ends with the read. A subscription has
// none, late or not. A stream is read from its first subscriber until Stream.Linger
// after its last.
//
// A log has one appender: the goroutine in which the source calls
// [upstream.Sink.Append]. Readers need no lock. A [Subscription] is used by one
// goroutine at a time, the one that delivers. Config.Wake, [Owner.Pump] and the
// functions given to a cursors.Committer are called from the hub's goroutines and
// must not block.
//
// # Packages
//
// The parts of the hub that do not depend on it have packages of their own:
//
//	jsonscan  checking and walking JSON
//	record    records, positions, cursors, gaps
//	event     the form in which subscribers are sent records and gaps
//	filter    which records a feed has
//	redact    what of a record some subscribers may not see
//	upstream  the interfaces to Kafka: Source and Producer
//	cursors   named cursors: Store, Committer, Lease
//	schema    checking values against schemas
//	ingest    processing of records before they are stored
//	share     who has a turn, a slot or memory: tenants and principals alike
//	backoff   the time between attempts
//
// # Files
//
// A file uses those below it. Those of one paragraph belong together.
//
//	run.go              New and Run
//	streams.go          what is known of streams, as a tenant has them; publishing
//	configure.go        SetStreams: the streams in force
//
//	subscribe.go        Subscribe: where a subscription begins
//	newest.go           where the newest N records begin
//	rows.go             which records a subscriber has a right to, and how far back
//	offsets.go          where offsets that a subscriber names begin
//	vouch.go            checking a position that a client brings
//	pause.go            pausing and resuming a subscription
//	horizon.go          how far back a principal may read
//
//	next.go             what a subscription delivers: Next, NextCompressed, Take
//	walk.go             the steps of a subscription
//	pending.go          reporting gaps before anything else
//	late.go             reading the records before the log
//	join.go             from a position to an index in the log
//	slow.go             the policy for a subscription that fell behind
//	conflate.go         the passes of a conflating subscription
//	deliver.go          which entries of a chunk are delivered
//	inquiry.go          evaluating predicates on what is read before the feed's matches
//	rewind.go           taking back what a socket did not accept
//	show.go             what a subscription is shown of a chunk
//	behind.go           how far a subscription is behind the stream
//	ack.go              how far a client has acknowledged
//	feeds.go            the feeds of a log: joined and left by subscriptions
//	subscription.go     the state of a subscription, and its transitions
//	conflation.go       the newest record of each key among the missed records
//
//	reading.go          the reading of a stream: start, outages, a new topic
//	backfill.go         filling a log backwards
//	balance.go          the memory of all logs
//	tenants.go          the streams that each tenant has of its own
//	watchtips.go        looking where topics end
//	readto.go           reading from Kafka for one purpose: a search, filling a log, a look at each partition
//
//	fetch.go            one read of Kafka for late subscriptions
//	blockpool.go        which subscription waits for which block; memory of all blocks
//	blocklru.go         blocks in the order of their use
//	blockcache.go       the blocks of one stream, by partition
//	replays.go          how many replays may run at once, and in which order
//	latereader.go       what a late subscription waits for and holds
//	budget.go           how many bytes late subscriptions may read in a second
//
//	question.go         what Kafka is asked for clients, in turns
//	hub.go              Config, Hub
//	stream.go           a stream: acquired by its first subscription, released by the last
//	failures.go         which repeated failures are logged
//	tips.go             what was written lately, for clients that resume
//	stored.go           what this instance has stored lately, for clients that read a page
//	request.go          Request, Start
//
//	proven.go           which positions Kafka has confirmed for this log
//	apart.go            evaluating costly predicates on new records, in turns
//	evaluate.go         evaluating filters on the fields of new records, and predicates
//	tabs.go             what the filters of a principal cost together
//	asked.go            what an evaluated feed has been given so far
//	log.go              the log: chunks from floor to tip, marks, notification
//	feedindex.go        finding feeds by a record's key and the values of its fields
//	feed.go             a filter and the subscriptions that share it
//	cost.go             measuring what filters cost
//	chunkbuilder.go     from what a source reads to entries
//	decode.go           Decoder: values that are stored in another form than they are shown in
//	decrypt.go          Decrypter: what is encrypted, and who is not shown it
//	undecided.go        records about which the filter of a right cannot decide
//	batch.go            what a subscription has ready to be written
//	compressed.go       making compressed blocks, once for each chunk
//	shown.go            a chunk under redactions, and laid out for wire formats
//	chunk.go            a chunk and its entries
//	compressedblock.go  compressed blocks
//	codec.go            Codec and Window: what a compression has to provide
//	reached.go          how far filters have been evaluated, and which feeds wait for it
//	mark.go             an index of a log, and its position
//	modes.go            the modes of a subscription, and the table of transitions
//	turns.go            evaluating predicates in turns
//	party.go            whose turn is next
//	limits.go           Limits: bounds on memory and work
//	policy.go           SlowPolicy
package hub
