// Package embedded is the Kafka and the Redis that `sluice dev` runs in its own
// process, and the demo streams in them. It is for development and tests: both
// servers are fakes (kfake, miniredis), listen on loopback only, have no
// authentication, and keep their data in memory unless there is a data directory.
//
// # Guarantees
//
// Memory is bounded: every partition is bounded in bytes, old records are removed
// every two seconds, compacted topics are compacted every fifteen. Redis keys expire
// by a clock that advances once a second.
//
// With Config.DataDir, topics with their ids, records, offsets and Redis keys
// survive a restart, and the process being killed. After a crash of the machine the last
// of them may be missing. Only one process at a time can use a directory.
//
// Demo streams are synthetic and a function of the seed and the time: the same seed
// and rate make the same records at the same time, in every process. A stream begins
// with Config.History of records. In a directory that already holds records, only
// the missing records up to now are written, at most Config.History of them.
//
// # Goroutines
//
// Start starts the servers, which have goroutines of their own; Close stops them.
// Run starts one goroutine per stream and one per clock, and returns when all have
// ended and the servers are closed.
//
// # Files
//
//	embedded.go   Config, Start, Run, Close
//	kafka.go      the Kafka, its topics, retention
//	redis.go      the Redis, its clock
//	snapshot.go   Redis keys in a file
//	journal.go    the commands since
//	lock*.go      one process per directory
//	demo.go       the list of demo streams
//	writer.go     from generator to Kafka, history and live records
//	random.go     repeatable randomness, and rotas
//	wiki.go, market.go, telemetry.go (with telemetry.schema.json), flights.go, orders.go: one stream each
//	places.go     cities that several streams use
package embedded
