// Package check compares what subscribers of a Kafka topic received, and what
// publishers were answered, with what a plain Kafka client reads from the topic. It
// shares no code with the server under test.
//
// A Log is what the plain client read: each partition's visible records, and those
// of aborted transactions. Each subscriber keeps a Journal: for every connection the
// position that it resumed from, and the records in order of arrival. Subscribers
// counts, over all journals: records lost, gaps that were not reported, records out
// of order, duplicates outside the window that a reconnect allows, records of
// aborted transactions, and records that the log does not have. Uncleanly does so
// for a topic of which Kafka itself lost the end, once or more often. Publishers
// compares answers with the log, also those of records that were sent several times under a
// message id.
//
// Offsets may be sparse, because compaction, transactions and control records leave
// holes: everything is compared by index in the list of visible records.
//
// The package starts no goroutines. The files: log.go, journal.go, subscribers.go,
// unclean.go, publishers.go, messageids.go and report.go.
package check
