// Package hubtest has a Kafka in memory that is as simple as can be, for tests
// of the hub and of what is built on it.
//
// [Topics] implements upstream.Source and upstream.Producer and keeps their contracts:
// topics have an identity, positions below the start are gaps, offsets can be
// passed over as compaction and transactions do, following ends when a topic is
// made again, and epochs tell a log that was cut short. What it leaves out:
// transactions themselves, partitioning (all that is produced goes to partition 0, with
// timestamp 1), and any bound on memory. A test that is about those uses the
// adapter of hub/kafkalog on a Kafka.
//
// Faults are the test's to inject, and strike at once: [Topics.Expire] takes
// records as retention does, [Topics.Truncate] as an unclean
// election does, [Topics.Create] makes a topic anew, [Topics.Away]
// makes the cluster unreachable for readers. Producing works on.
//
// It starts no goroutine but one for each call of Produce, which ends when the
// callback returns. All methods are safe for concurrent use.
//
// source.go is all there is.
package hubtest
