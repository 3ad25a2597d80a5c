// Package once stores a record with a message id once: a [Guard] makes steps of the ingest
// pipeline that remember the ids in a [Store], which all instances share.
//
// # The life of an id
//
//	           ┌─────────────── not stored ────────────────┐
//	           ▼                                           │
//	unknown ─claim─► claimed ──────────── stored ──────────┼─► settled ─window─► unknown
//	                    │                                  │      ▲
//	                    └── its owner died, or does not ───┤      │
//	                        know: once the lease is over,  │      │
//	                        the next publisher looks for ──┴──────┘
//	                        the record in the log
//
// An id is that of a principal in a stream: no principal can block, or learn about, the ids of
// another. It is claimed before the record is handed to Kafka, and settled afterwards. A
// settled id is answered as the first time. Another record under an id that is claimed or
// settled is a conflict.
//
// A claim has a lease, which is longer than its owner can take to store the record. Who finds
// the id claimed waits a little, then looks for the record in the log: a record that is found
// settles the id, whoever its owner is. Only once the lease is over does it count that the
// record is not found: then the finder, who has claimed the id by then, stores the record. If
// the log cannot be read to its end, the id stays as it is, and the answer is
// ingest.UnsettledError.
//
// # Guarantees
//
//   - While the store keeps its data, at most one record of a principal is stored in a stream
//     under an id within the window, on however many instances it is published, and whichever
//     of them end.
//   - Nothing is stored under an id that could not be claimed.
//   - A record that was kept as a dead letter is answered as that, and kept once.
//   - A record whose reply is expected has the token of its first claim as its correlation, too,
//     and so has each answer about it, with a time before the reply.
//   - The record is found by a random token in its header ingest.HeaderMessageID. The store
//     has hashes of ids, principals and contents, and no text of them.
//
// What the lease assumes: a request that was written to a connection is in the log of a leader
// within the lease, or never. A process that is stopped and woken hands nothing to Kafka after
// its deadline (see package producer). The log is looked through to its end at the leader,
// twice, with a pause in between, so that a leader that was stopped itself has worked off what
// it had received.
//
// # Goroutines
//
// Run writes what became of claims, in batches, and returns when its context has ended. The
// log is looked through in the goroutine of a publisher, on behalf of all that wait for the
// same stream. Memory is bounded: what waits to be written by a number of entries, above which
// they are dropped (the ids are then settled by the log); what is looked through by bytes.
//
// # Files
//
// A file uses those listed after it.
//
//	step.go      the step of a stream: what the answers of the store mean for records
//	guard.go     New, Guard
//	lookback.go  looking for records in the log, for all who wait
//	scan.go      reading a stream's log from a time to its end
//	settler.go   writing what became of claims
//	answer.go    the verdict that is kept of an id
//	digest.go    hashes of ids and of contents
//	config.go    Config, Policy
//	stats.go     what is counted
//	claim.go     Store, and what it is asked
package once
