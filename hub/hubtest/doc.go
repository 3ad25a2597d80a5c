// Package hubtest provides a minimal in-memory Kafka, for tests of the hub and of
// packages that use it.
//
// [Topics] implements upstream.Source and upstream.Producer and keeps their
// contracts: topics have an identity, positions below the start become gaps,
// offsets can be skipped as compaction and transactions do, following ends when a
// topic is created again, and epochs reveal a truncated log. It leaves out
// transactions themselves, partitioning (everything that is produced goes to
// partition 0, with timestamp 1), and any bound on memory. Tests of these use the
// adapter of hub/kafkalog with a Kafka.
//
// Tests inject faults, which take effect at once: [Topics.Expire] removes records
// as retention does, [Topics.Truncate] as an unclean election does,
// [Topics.Create] creates a topic again, [Topics.Away] makes the cluster
// unavailable for readers. Producing still works then.
//
// It starts one goroutine for each call of Produce, which ends when the callback
// returns, and no others. All methods are safe for concurrent use.
//
// All code is in source.go.
package hubtest
